"""A web page of a stranger in Debian's Chromium: what it can read, send, and change."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: Real seconds for Chromium to load the page and run all its attempts, also on a busy machine.
PATIENCE = 300.0

#: Tries each attempt three ways: readable (CORS), blind (no-cors), and as an HTML form.
PAGE = """<!doctype html><meta charset="utf-8"><title>stranger</title><iframe name="sink"></iframe>
<script>
const attempts = ATTEMPTS;
const limit = () => AbortSignal.timeout(20000);
async function readable({method, url, body, headers}) {
  const answer = await fetch(
    url, {method, body: body || undefined, headers: headers || {}, signal: limit()});
  return answer.status + " " + (await answer.text()).slice(0, 200);
}
async function blind({method, url, body}) {
  const simple = ["GET", "HEAD", "POST"].includes(method) ? method : "POST";
  await fetch(url, {method: simple, mode: "no-cors", signal: limit(),
                    body: simple === "POST" ? body || "" : undefined});
}
function form({url, body}) {
  const form = document.createElement("form");
  Object.assign(form, {method: "POST", action: url, target: "sink", enctype: "text/plain"});
  const field = document.createElement("input");
  Object.assign(field, {type: "hidden", name: body || "x", value: ""});
  form.append(field);
  document.body.append(form);
  form.submit();
}
(async () => {
  const read = [];
  for (const attempt of attempts) {
    try { read.push({url: attempt.url, answer: await readable(attempt)}); } catch (error) {}
    try { await blind(attempt); } catch (error) {}
    form(attempt);
    await new Promise(done => setTimeout(done, 100));
  }
  await fetch("/report", {method: "POST", body: JSON.stringify(read)});
})();
</script>"""


@dataclass(frozen=True)
class Attempt:
    """A request that the page makes.

    Attributes
    ----------
    method : str
        HTTP method.
    url : str
        Absolute address of what is attacked.
    body : str
        Empty for none.
    headers : dict
        Some of them make the browser send a preflight first.
    """

    method: str
    url: str
    body: str = ""
    headers: dict[str, str] | None = None


def record(attempts: Sequence[Attempt], folder: Path) -> list[dict[str, str]]:
    """Load the page in Chromium, and return the answers that the page could read.

    Parameters
    ----------
    folder : Path
        An empty folder for Chromium's profile.
    """
    page = PAGE.replace("ATTEMPTS", json.dumps([asdict(attempt) for attempt in attempts]))
    with _serving(page) as (url, reported, report), _chromium(url, folder) as output:
        if not reported.wait(PATIENCE):
            raise AssertionError(f"the page did not report: {output.read_text()[-2000:]}")
        return list(report)


@contextmanager
def _serving(page: str) -> Iterator[tuple[str, threading.Event, list[dict[str, str]]]]:
    reported = threading.Event()
    report: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page.encode())

        def do_POST(self) -> None:
            report.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(b"")
            reported.set()

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", reported, report
        server.shutdown()


@contextmanager
def _chromium(url: str, folder: Path) -> Iterator[Path]:
    """Run Chromium in a process group of its own; yield the file of its output."""
    assert CHROMIUM
    output = folder / "chromium.log"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    # A real attacker has the name of a site of their own: its address here is the loopback's.
    command += ["--disable-dev-shm-usage", "--host-resolver-rules=MAP rebound.example 127.0.0.1"]
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", url],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # What led this process's clients to an emulated cloud is nothing to a browser.
            env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        )
    try:
        yield output
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
