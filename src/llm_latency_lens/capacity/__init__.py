"""The highest load that a server holds: steps of open-loop load, each judged while it goes on."""
