"""The template of a backend's client, as its documentation has it (template.py), against an instance: prints what came, as JSON.

    run.py URL KEY USER PROJECT MODEL
"""
import asyncio
import dataclasses
import datetime
import json
import sys

import template

# Its documentation leaves the import to whoever copies it.
template.datetime = datetime.datetime


async def main(url, key, user, project, model):
    backend = template.ProductionBackendClient(url, key)
    payload = {"model": model, "messages": [{"role": "user", "content": "[[say:hello]]"}], "max_tokens": 100}
    out = {
        "cost": await backend.get_provider_cost("openai", model),
        "call": await backend.call_provider_api("openai", "/chat/completions", payload),
        "spending": await backend.update_spending(user, project, 0.0234, "req_abc123"),
        "again": await backend.update_spending(user, project, 0.0234, "req_abc123"),
        "budget": await backend.get_budget_info(user, project),
        "policies": await backend.get_policy_config(user, project),
        "user": await backend.get_user_context(user),
        "audit": await backend.store_audit_log("req_abc123", {"events": [{"type": "request"}], "trail": {"steps": 1}}),
    }
    await backend.client.aclose()
    print(json.dumps({name: dataclasses.asdict(v) if dataclasses.is_dataclass(v) else v for name, v in out.items()}))


asyncio.run(main(*sys.argv[1:]))
