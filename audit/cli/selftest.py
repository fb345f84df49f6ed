"""`audit selftest`: what would the audit find in data like yours?"""

from __future__ import annotations

from audit.cli.common import app, reported
from audit.selftest_command import selftest_command

app.command("selftest")(reported(selftest_command))
