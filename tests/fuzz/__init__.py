"""Whatever is sent: no 5xx, no answer that is not what it says, none that neighbours change."""
