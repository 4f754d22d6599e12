"""A platform makes its own tenants by the API, acts for them, and sees nobody else's; a call of such a tenant is paid."""

import pytest
import requests

from world import Problem, eventually


class Platform:
    def __init__(self, world, name):
        self.world = world
        self.id = world.fleet.ctl("tenant", "create", "--name", name, "--platform", "true", "--max-amount", "500000")["id"]
        key = world.fleet.ctl("key", "create", "--tenant", self.id, "--mode", "test", "--roles", "platform,sessions,finance")
        self.key, self.key_id = key["secret"], key["id"]
        self.apis = [world.api_of({"key": self.key}, n) for n in range(len(world.rest))]
        self.api = self.apis[0]

    def tenant(self, name="Corner shop"):
        return self.api.post("/v1/tenants", {"name": name})

    def key_of(self, tenant, *roles):
        return self.api.post(f"/v1/tenants/{tenant['id']}/apiKeys", {"roles": [f"API_KEY_ROLE_{r}" for r in roles or ("SESSIONS", "FINANCE")]})

    def acting(self, tenant_id, method, path, body=None, **headers):
        """A call of the session API with the platform's key for one of its tenants."""
        return requests.request(method, self.apis[-1].base + path, json=body, verify=self.api.ca, timeout=30, headers={
            "Authorization": f"Bearer {self.key}", "Flattone-Tenant": tenant_id, **headers})


@pytest.fixture(scope="module")
def platforms(world):
    return Platform(world, "Platform A"), Platform(world, "Platform B")


def refused(call, *arguments, **more):
    with pytest.raises(Problem) as problem:
        call(*arguments, **more)
    return problem.value.status, problem.value.problem["code"]


def test_a_tenant_made_by_the_api_takes_a_call_and_is_paid(world, platforms):
    platform = platforms[0]
    made = platform.tenant()
    key = platform.key_of(made)
    assert made["platform_id"] == platform.id and key["secret"].startswith("ft_test_")
    # What stays the operator's: the edge, once for the platform, and the PSP account.
    edge = world.fleet.ctl("edge", "list")["edges"][0]
    world.fleet.ctl("edge", "put", "--edge", edge["edge_id"], "--tenants", ",".join([*edge["tenant_ids"], platform.id]))
    secret = world.dir / "secret"
    secret.write_text("sbx_platformshop")
    world.fleet.ctl("psp", "put", "--tenant", made["id"], "--mode", "test", "--psp", "sandbox", "--credential", f"api_key=@{secret}")
    world.fleet.await_edges()
    tenant = {"id": made["id"], "key": key["secret"]}
    call = world.call(tenant=tenant)
    session = world.session(call, api=world.api_of(tenant, 1))
    session.start()
    card = world.card()
    call.type_card(card)
    session.ready()
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(payment)) == 1
    # The platform sees the same with its own key, and nothing of it is in another tenant's list.
    theirs = platform.acting(made["id"], "GET", f"/v1/payments/{payment['id']}")
    assert theirs.status_code == 200 and theirs.json()["state"] == "PAYMENT_STATE_CAPTURED"
    assert refused(platform.api.get, f"/v1/payments/{payment['id']}") == (404, "payment_not_found")
    assert refused(world.api.get, f"/v1/payments/{payment['id']}") == (404, "payment_not_found")
    call.hang_up()


def test_one_platform_never_sees_the_others_tenants(world, platforms):
    a, b = platforms
    shop = a.tenant("Shop of A")
    key = a.key_of(shop)
    unknown = "ten_" + "0" * 26
    for id in (shop["id"], unknown, world.tenant["id"], a.id):
        for api in b.apis:
            assert refused(api.get, f"/v1/tenants/{id}") == (404, "tenant_not_found")
            assert refused(api.get, f"/v1/tenants/{id}/apiKeys") == (404, "tenant_not_found")
            assert refused(api.post, f"/v1/tenants/{id}/apiKeys", {"roles": ["API_KEY_ROLE_READ"]}) == (404, "tenant_not_found")
            assert refused(api.post, f"/v1/tenants/{id}/apiKeys/{key['id']}:revoke") == (404, "tenant_not_found")
            for action in ("suspend", "resume"):
                assert refused(api.post, f"/v1/tenants/{id}:{action}") == (404, "tenant_not_found")
        answer = b.acting(id, "GET", "/v1/sessions")
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_not_yours")
    assert shop["id"] not in str(b.api.get("/v1/tenants")) and shop["id"] in str(a.apis[-1].get("/v1/tenants"))
    # A key of A's other shop revokes nothing of this one.
    second = a.tenant("Second shop of A")
    assert refused(a.api.post, f"/v1/tenants/{second['id']}/apiKeys/{key['id']}:revoke") == (404, "key_not_found")
    assert world.api_of({"key": key["secret"]}).get("/v1/sessions")["sessions"] == []


def test_a_merchants_key_and_a_key_without_the_role_make_no_tenant(world, platforms):
    a = platforms[0]
    merchant = world.api_of({"key": a.key_of(a.tenant("Plain shop"))["secret"]})
    weak = world.api_of({"key": world.fleet.ctl("key", "create", "--tenant", a.id, "--mode", "test", "--roles", "sessions,finance,read")["secret"]})
    for api in (merchant, weak, world.api):
        assert refused(api.post, "/v1/tenants", {"name": "Mine"}) == (403, "role_missing")
        assert refused(api.get, "/v1/tenants") == (403, "role_missing")
    answer = a.acting(a.tenant("Third")["id"], "POST", "/v1/tenants", {"name": "Nested"}, **{"Idempotency-Key": "n"})
    assert answer.status_code == 400 and answer.json()["field"] == "Flattone-Tenant"


def test_suspended_and_revoked_work_no_more_on_every_replica(world, platforms):
    a = platforms[0]
    shop = a.tenant("Shop to stop")
    key = a.key_of(shop)
    apis = [world.api_of({"key": key["secret"]}, n) for n in range(len(world.rest))]
    assert a.api.post(f"/v1/tenants/{shop['id']}:suspend")["suspended_by_platform"] is True
    for api in apis:
        assert refused(api.get, "/v1/sessions") == (403, "tenant_suspended")
    a.apis[-1].post(f"/v1/tenants/{shop['id']}:resume")
    for api in apis:
        api.get("/v1/sessions")
    a.apis[-1].post(f"/v1/tenants/{shop['id']}/apiKeys/{key['id']}:revoke")

    def stopped():
        return all(requests.get(api.base + "/v1/sessions", headers={"Authorization": f"Bearer {key['secret']}"}, verify=api.ca, timeout=10).status_code == 401 for api in apis)
    eventually(stopped, 5, "a revoked key is refused")
    assert [k["revoked"] for k in a.api.get(f"/v1/tenants/{shop['id']}/apiKeys")["keys"]] == [True]


def test_what_a_platform_did_is_in_the_operators_audit(world, platforms):
    a = platforms[0]
    shop = a.tenant("Audited shop")
    key = a.key_of(shop)
    a.api.post(f"/v1/tenants/{shop['id']}:suspend")
    after, found = 0, []
    while True:
        actions = world.fleet.ctl("audit", "session", "--after", after, "--page-size", 200).get("actions", [])
        if not actions:
            break
        found += [x for x in actions if x.get("tenant_id") == shop["id"]]
        after = actions[-1]["sequence"]
    assert [(x["actor"], x["action"], x["object"]) for x in found] == [
        (a.key_id, "tenant.create", shop["id"]), (a.key_id, "key.create", key["id"]), (a.key_id, "tenant.suspend", shop["id"])]
    logs = "".join(p.log.read_text() for p in world.orchestrators())
    assert key["secret"] not in logs and a.key not in logs


@pytest.mark.parametrize("body, field", [
    ({}, "name"), ({"name": "x" * 101}, "name"), ({"name": "s", "max_amount_minor": "500001"}, "max_amount_minor"),
    ({"name": "s", "max_amount_minor": "-1"}, "max_amount_minor"), ({"name": "s", "currency_codes": ["EURO"]}, "currency_codes"),
])
def test_a_tenant_that_cannot_be_is_refused_by_field(platforms, body, field):
    with pytest.raises(Problem) as problem:
        platforms[0].api.post("/v1/tenants", body)
    assert problem.value.status == 400 and field in problem.value.problem["field"] and problem.value.problem["limit"]
