"""The child process that touches the driver in place of its parent: started by `discover(guard=True)` and `check`."""

from nacp._nacp import answer_probe

if __name__ == "__main__" and not answer_probe():
    raise SystemExit("nacp._probe is started by nacp.discover(guard=True) and nacp.check(isolate=True)")
