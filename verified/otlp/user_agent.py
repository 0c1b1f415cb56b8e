"""How an exporter names itself ("User Agent"): what it is, its language and its version."""

from typing import Final

import verified

USER_AGENT: Final = f"verified-otlp-exporter-python/{verified.__version__}"
