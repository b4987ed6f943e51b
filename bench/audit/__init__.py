"""Laws that every memory has to keep: no leak of the future, no hidden state, no chance.

`audit` tries them on a registered memory; a law that is broken names what was seen.
"""

from bench.audit.run import Audit, audit
from bench.audit.verdict import Verdict

__all__ = ["Audit", "Verdict", "audit"]
