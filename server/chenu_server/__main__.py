"""The command `chenu`, also as `python -m chenu_server`."""

from chenu_server.cli.app import app


def main() -> None:
    """Run the command line."""
    app(prog_name="chenu")


if __name__ == "__main__":
    main()
