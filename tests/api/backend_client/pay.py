"""A payment by the template of a backend's client, and its status: prints both, as JSON.

    pay.py URL KEY USER AMOUNT REQUEST_ID
"""
import asyncio
import dataclasses
import json
import sys

import template


async def main(url, key, user, amount, request):
    backend = template.ProductionBackendClient(url, key)
    paid = await backend.execute_payment(user, float(amount), {"request_id": request, "provider": "openai", "model": "gpt-4o"})
    status = await backend.get_payment_status(paid.tx_hash)
    await backend.client.aclose()
    print(json.dumps({"paid": dataclasses.asdict(paid), "status": status}))


asyncio.run(main(*sys.argv[1:]))
