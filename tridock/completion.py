"""Tab completion of the command `tridock`, for bash and zsh, by argcomplete."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import argcomplete


def complete(verbs: Mapping[str, tuple[str, str]], line: str) -> None:
    """Write the words that may follow on a command line, and end this process.

    Parameters
    ----------
    verbs : Mapping[str, tuple of str]
        Each verb with its room and one line about it.
    line : str
        What the shell has so far, the name of the program first.
    """
    words = line.split()
    ended = words[1] if len(words) > 2 or (len(words) == 2 and line.endswith(" ")) else ""
    argcomplete.autocomplete(_parser(verbs, ended))


def _parser(verbs: Mapping[str, tuple[str, str]], verb: str) -> argparse.ArgumentParser:
    """Return the parser of one verb's room; of all verbs, without their options, by default."""
    room = verbs[verb][0] if verb in verbs else ""
    if room == "deploy":
        from tridock.deploy.cli import arguments

        return arguments.parser()
    if room == "inference":
        from tridock.inference.__main__ import make_parser

        return make_parser(verb)
    top = argparse.ArgumentParser(prog="tridock")
    top.add_argument("--version", action="store_true")
    named = top.add_subparsers(metavar="COMMAND")
    for name, (_, about) in verbs.items():
        if name == verb == "emulators":
            from tridock.emulators import __main__ as emulators

            own = emulators.make_parser()
            named.add_parser(name, help=about, parents=[own], add_help=False)
        else:
            named.add_parser(name, help=about)
    return top
