"""Requests that schemathesis makes of a server's own description, valid ones and wrong ones: run in its own environment.

    python serve_schemathesis.py ADDRESS MODEL EXAMPLES

Prints one line of JSON: how many requests were made, and what was answered that may not be.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

LEAK = re.compile(r"/(?:home|root|tmp|usr|work|var|etc|opt)/|Traceback|site-packages")
SECONDS = 60


def main() -> None:
    """Ask every address in both ways."""
    address, model, examples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    made, wrong = 0, []

    def look(case: Any) -> None:
        nonlocal made
        made += 1
        if isinstance(case.body, dict) and made % 2:  # half of them reach a model
            case.body["model"] = model
        name = f"{case.method} {case.path}"
        try:
            answer = case.call(base_url=address, timeout=SECONDS)
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}"[:400])
            return
        text = answer.text
        sent = f"{case.body} {case.path_parameters} {case.query} {case.headers}"
        leaks = any(found not in sent for found in LEAK.findall(text))  # what we sent may be said again
        if answer.status_code >= 500 or leaks or (answer.status_code >= 400 and "error" not in text):
            wrong.append(f"{name}: {answer.status_code} {text[:300]} {str(case.body)[:200]}")

    for operation in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.ok().as_strategy(generation_mode=mode)
                few = settings(
                    max_examples=examples,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                few(given(case=strategy)(look))()
            except Exception as error:
                if type(error).__name__ not in (
                    "Unsatisfiable",
                    "SkipTest",
                ):  # an address that takes nothing has no wrong body
                    raise
    print(json.dumps({"made": made, "wrong": wrong}))


if __name__ == "__main__":
    main()
