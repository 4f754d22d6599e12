"""Objects in every state that an operation of the API wants, so that a generated request meets more than 404.

    ids = prepare(world)                     # {"StartCapture": {"session_id": …}, …}, "" for all other operations
    write_config(path, world, ids)           # schemathesis.toml
"""

import concurrent.futures


def _with_keys(world, typed):
    """A session whose caller has typed the first keys of a card, in a call that goes on."""
    call = world.call()
    session = world.session(call)
    session.start()
    call.type(typed)
    session.await_count("PAN", len(typed))
    return session.id


def _paid(world, purpose):
    call, session, _ = world.ready_session(purpose=purpose)
    payment = session.pay()
    call.hang_up()
    return payment["id"]


def _ready(world):
    _, session, _ = world.ready_session()
    return session.id


def _in_call(world):
    return world.session(world.call()).id


def _platform(world):
    """A platform's key, a tenant of it and a key of that tenant."""
    platform = world.fleet.ctl("tenant", "create", "--name", "Platform", "--platform", "true")
    key = world.fleet.ctl("key", "create", "--tenant", platform["id"], "--mode", "test", "--roles", "platform")["secret"]
    api = world.api_of({"key": key})
    tenant = api.post("/v1/tenants", {"name": "Corner shop"})["id"]
    made = api.post(f"/v1/tenants/{tenant}/apiKeys", {"roles": ["API_KEY_ROLE_READ"]})
    return {"key": key, "tenant_id": tenant, "key_id": made["id"]}


def prepare(world):
    wanted = {
        "RestartField": (_with_keys, "4111"), "UndoKey": (_with_keys, "4111"), "SubmitField": (_with_keys, "4111"),
        "StartCapture": (_in_call,), "Pay": (_ready,),
        "CapturePayment": (_paid, "AUTHORISE"), "VoidPayment": (_paid, "AUTHORISE"), "RefundPayment": (_paid, "CHARGE"),
    }
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = {name: pool.submit(make, world, *more) for name, (make, *more) in wanted.items()}
        made = {name: future.result(90) for name, future in made.items()}
    ids = {name: {"payment_id" if value.startswith("pay_") else "session_id": value} for name, value in made.items()}
    for name in ("CancelSession", "EndSession"):
        ids[name] = {"session_id": world.session("no-call").id}
    # The rotated and the deleted endpoint are not the one that the receiver verifies with.
    for name in ("RotateWebhookSecret", "DeleteWebhookEndpoint", "UpdateWebhookEndpoint", "ReplayWebhookDeliveries"):
        endpoint = world.api.post("/v1/webhookEndpoints", {"url": world.receiver.url})["id"]
        ids[name] = {"endpoint_id": endpoint}
    _paid(world, "CHARGE")  # every endpoint has a delivery to replay
    platform = _platform(world)
    for name in ("GetPlatformTenant", "CreateTenantApiKey", "ListTenantApiKeys", "RevokeTenantApiKey", "SuspendPlatformTenant", "ResumePlatformTenant"):
        ids[name] = {"tenant_id": platform["tenant_id"]}
    ids["RevokeTenantApiKey"]["key_id"] = platform["key_id"]
    ids[""] = {"session_id": world.session("no-call").id, "payment_id": ids["RefundPayment"]["payment_id"], "endpoint_id": world.endpoint["id"],
               "tenant_id": platform["tenant_id"], "key_id": platform["key_id"]}
    ids["platform key"] = platform["key"]
    return ids


def write_config(path, world, ids):
    lines = ["[parameters]"] + [f'{name} = "{value}"' for name, value in ids[""].items()]
    for name, values in ids.items():
        if name and name != "platform key":
            pairs = ", ".join(f'{k} = "{v}"' for k, v in values.items())
            lines += ["[[operations]]", f'include-operation-id = "{name}"', f"parameters = {{ {pairs} }}"]
    lines += ["[[operations]]", 'include-path-regex = "^/v1/tenants"', f'headers = {{ Authorization = "Bearer {ids["platform key"]}" }}']
    path.write_text("\n".join(lines) + "\n")


