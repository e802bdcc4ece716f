"""The child process that touches the driver first: `python -m nacp._probe`, started by `discover(guard=True)`."""

from nacp._nacp import answer_probe

if __name__ == "__main__" and not answer_probe():
    raise SystemExit("nacp._probe is started by nacp.discover(guard=True)")
