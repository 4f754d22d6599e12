// A platform's own tenants and their keys: through the dispatcher, on both databases, answers from two replicas.
#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

constexpr char kPrefix[] = "flattone.session.v1.PlatformService.";

struct Platforms : Fixture {
  explicit Platforms(Backend backend) : Fixture(backend) {
    a = NewPlatform("Platform A");
    b = NewPlatform("Platform B");
    a_test = NewKey(a, {v1::API_KEY_ROLE_PLATFORM, v1::API_KEY_ROLE_SESSIONS});
    a_live = NewKey(a, {v1::API_KEY_ROLE_PLATFORM}, common::v1::MODE_LIVE);
    b_test = NewKey(b, {v1::API_KEY_ROLE_PLATFORM});
  }
  std::string NewPlatform(const std::string& name) {
    v1::CreateTenantRequest request;
    request.mutable_tenant()->set_name(name);
    request.mutable_tenant()->set_platform(true);
    request.mutable_tenant()->set_max_amount_minor(5000);
    request.mutable_tenant()->add_currency_codes("EUR");
    request.mutable_tenant()->add_currency_codes("GBP");
    return Must(one->admin.CreateTenant("operator", request)).id();
  }
  template <typename Answer>
  absl::StatusOr<Answer> Ask(Replica& replica, const char* name, const google::protobuf::Message& request, const std::string& secret, const std::string& key = {},
                             const std::string& acting = {}) {
    CallContext context;
    context.credential_kind = CallContext::Credential::kBearer;
    context.credential = secret;
    context.idempotency_key = key.empty() ? "key-" + std::to_string(++keys) : key;
    context.acting_tenant = acting;
    auto answer = replica.dispatcher.Call(std::string(kPrefix) + name, request, context);
    if (!answer.ok()) return answer.status();
    return static_cast<const Answer&>(**answer);
  }
  absl::StatusOr<v1::Tenant> Make(const std::string& secret, const std::string& name = "Shop", int64_t max = 0, const std::string& key = {}) {
    v1::CreatePlatformTenantRequest request;
    request.mutable_tenant()->set_name(name);
    request.mutable_tenant()->set_max_amount_minor(max);
    return Ask<v1::Tenant>(*one, "CreatePlatformTenant", request, secret, key);
  }
  absl::StatusOr<v1::ApiKey> MakeKey(Replica& replica, const std::string& secret, const std::string& tenant_id, v1::ApiKeyRole role = v1::API_KEY_ROLE_SESSIONS,
                                     const std::string& key = {}) {
    v1::CreateTenantApiKeyRequest request;
    request.set_tenant_id(tenant_id);
    request.mutable_key()->add_roles(role);
    return Ask<v1::ApiKey>(replica, "CreateTenantApiKey", request, secret, key);
  }
  absl::StatusOr<v1::Tenant> Suspend(const std::string& secret, const std::string& tenant_id, bool suspend = true) {
    v1::SuspendPlatformTenantRequest stop;
    stop.set_tenant_id(tenant_id);
    v1::ResumePlatformTenantRequest go;
    go.set_tenant_id(tenant_id);
    return suspend ? Ask<v1::Tenant>(*two, "SuspendPlatformTenant", stop, secret) : Ask<v1::Tenant>(*two, "ResumePlatformTenant", go, secret);
  }
  // What a session call with this key is answered.
  std::string Session(const std::string& secret, const std::string& acting = {}) {
    CallContext context;
    context.credential_kind = CallContext::Credential::kBearer;
    context.credential = secret;
    context.acting_tenant = acting;
    return CodeOf(two->dispatcher.Call("flattone.session.v1.SessionService.ListSessions", v1::ListSessionsRequest(), context).status());
  }
  std::string a, b, a_test, a_live, b_test;
};

TEST_CASE("a platform's tenant belongs to the key that made it, whatever the body says, within the platform's limits") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Platforms f(backend);
  v1::CreatePlatformTenantRequest request;
  auto* wanted = request.mutable_tenant();
  wanted->set_name("Shop");
  wanted->set_platform(true);
  wanted->set_platform_id(f.b);
  wanted->set_id("ten_mine");
  wanted->set_mode(common::v1::MODE_LIVE);
  const v1::Tenant made = Must(f.Ask<v1::Tenant>(*f.one, "CreatePlatformTenant", request, f.a_test, "k"));
  CHECK(made.platform_id() == f.a);
  CHECK(!made.platform());
  CHECK(made.id() != "ten_mine");
  CHECK(made.mode() == common::v1::MODE_TEST);
  CHECK(made.max_amount_minor() == 5000);
  CHECK(made.currency_codes_size() == 2);
  CHECK(Must(f.Ask<v1::Tenant>(*f.two, "CreatePlatformTenant", request, f.a_test, "k")).SerializeAsString() == made.SerializeAsString());
  CHECK(CodeOf(f.Make(f.a_test, "Other name", 0, "k").status()) == "idempotency_key_reused");
  CHECK(DetailOf(f.Make(f.a_test, "Shop", 5001).status())->field == "tenant.max_amount_minor");
  wanted->add_currency_codes("USD");
  CHECK(DetailOf(f.Ask<v1::Tenant>(*f.one, "CreatePlatformTenant", request, f.a_test).status())->field == "tenant.currency_codes");
  CHECK(DetailOf(f.Make(f.a_test, "").status())->field == "tenant.name");
}

TEST_CASE("platform A sees nothing of B's, nor of the other mode's: the same answer as for what never was") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Platforms f(backend);
  const std::string shop = Must(f.Make(f.a_test)).id();
  const std::string key = Must(f.MakeKey(*f.one, f.a_test, shop)).id();
  const std::string foreign = GENERATE("b_test", "a_live");
  const std::string& other = foreign == "b_test" ? f.b_test : f.a_live;
  for (const std::string& id : {shop, std::string("ten_unknown"), f.a, f.tenant}) {
    CAPTURE(foreign, id);
    v1::GetPlatformTenantRequest get;
    get.set_tenant_id(id);
    const absl::Status seen = f.Ask<v1::Tenant>(*f.two, "GetPlatformTenant", get, other).status();
    CHECK(seen.code() == absl::StatusCode::kNotFound);
    CHECK(seen.message() == "no such tenant");
    CHECK(f.Suspend(other, id).status().code() == absl::StatusCode::kNotFound);
    CHECK(f.Suspend(other, id, false).status().code() == absl::StatusCode::kNotFound);
    CHECK(f.MakeKey(*f.two, other, id).status().code() == absl::StatusCode::kNotFound);
    v1::ListTenantApiKeysRequest list;
    list.set_tenant_id(id);
    CHECK(f.Ask<v1::ListTenantApiKeysResponse>(*f.two, "ListTenantApiKeys", list, other).status().code() == absl::StatusCode::kNotFound);
    v1::RevokeTenantApiKeyRequest revoke;
    revoke.set_tenant_id(id);
    revoke.set_key_id(key);
    CHECK(f.Ask<v1::ApiKey>(*f.two, "RevokeTenantApiKey", revoke, other).status().code() == absl::StatusCode::kNotFound);
    CHECK(f.Session(other == f.b_test ? f.NewKey(f.b, {v1::API_KEY_ROLE_READ}) : f.NewKey(f.a, {v1::API_KEY_ROLE_READ}, common::v1::MODE_LIVE),
                    id == f.a ? f.tenant : id) == "tenant_not_yours");
  }
  CHECK(Must(f.Ask<v1::ListPlatformTenantsResponse>(*f.two, "ListPlatformTenants", v1::ListPlatformTenantsRequest(), other)).tenants().empty());
  CHECK(f.Session(Must(f.MakeKey(*f.two, f.a_test, shop)).secret()) == "ok");
}

TEST_CASE("lists page through all, newest first, and a replayed key shows no secret") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Platforms f(backend);
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.insert(made.begin(), Must(f.Make(f.a_test, "Shop " + std::to_string(i))).id());
    f.around.clock.Advance(absl::Seconds(1));
  }
  std::vector<std::string> listed;
  v1::ListPlatformTenantsRequest page;
  page.set_page_size(2);
  do {
    const auto answer = Must(f.Ask<v1::ListPlatformTenantsResponse>(*f.two, "ListPlatformTenants", page, f.a_test));
    for (const auto& tenant : answer.tenants()) listed.push_back(tenant.id());
    page.set_page_token(answer.next_page_token());
  } while (!page.page_token().empty());
  CHECK(listed == made);
  page.set_page_size(201);
  CHECK(DetailOf(f.Ask<v1::ListPlatformTenantsResponse>(*f.two, "ListPlatformTenants", page, f.a_test).status())->field == "page_size");
  const v1::ApiKey key = Must(f.MakeKey(*f.one, f.a_test, made[0], v1::API_KEY_ROLE_READ, "mint"));
  CHECK(key.secret().rfind("ft_test_", 0) == 0);
  CHECK(key.mode() == common::v1::MODE_TEST);
  const v1::ApiKey again = Must(f.MakeKey(*f.two, f.a_test, made[0], v1::API_KEY_ROLE_READ, "mint"));
  CHECK(again.id() == key.id());
  CHECK(again.secret().empty());
  v1::ListTenantApiKeysRequest keys;
  keys.set_tenant_id(made[0]);
  const auto all = Must(f.Ask<v1::ListTenantApiKeysResponse>(*f.two, "ListTenantApiKeys", keys, f.a_test));
  REQUIRE(all.keys_size() == 1);
  CHECK(all.keys(0).secret().empty());
}

TEST_CASE("suspending stops keys at once, of the tenant, of its platform with it; only the own suspension is taken back") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Platforms f(backend);
  const v1::Tenant shop = Must(f.Make(f.a_test));
  const std::string key = Must(f.MakeKey(*f.one, f.a_test, shop.id())).secret();
  CHECK(f.Session(key) == "ok");
  CHECK(f.Session(f.a_test, shop.id()) == "ok");
  CHECK(Must(f.Suspend(f.a_test, shop.id())).suspended_by_platform());
  CHECK(f.Session(key) == "tenant_suspended");
  CHECK(f.Session(f.a_test, shop.id()) == "tenant_suspended");
  CHECK(Must(f.Suspend(f.a_test, shop.id())).suspended_by_platform());
  v1::UpdateTenantRequest update;
  *update.mutable_tenant() = shop;
  update.mutable_tenant()->set_suspended(true);
  Must(f.one->admin.UpdateTenant("operator", update));
  CHECK(!Must(f.Suspend(f.a_test, shop.id(), false)).suspended_by_platform());
  CHECK(f.Session(key) == "tenant_suspended");
  update.mutable_tenant()->set_suspended(false);
  Must(f.one->admin.UpdateTenant("operator", update));
  CHECK(f.Session(key) == "ok");
  v1::GetTenantRequest get;
  get.set_tenant_id(f.a);
  *update.mutable_tenant() = Must(f.one->admin.GetTenant(get));
  update.mutable_tenant()->set_suspended(true);
  Must(f.one->admin.UpdateTenant("operator", update));
  CHECK(f.Session(key) == "tenant_suspended");
  CHECK(CodeOf(f.Make(f.a_test).status()) == "tenant_suspended");
}

TEST_CASE("an operator changes what the mask names and nothing else") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  v1::CreateTenantRequest create;
  create.mutable_tenant()->set_name("Shop");
  create.mutable_tenant()->set_max_amount_minor(5000);
  create.mutable_tenant()->add_currency_codes("EUR");
  const std::string id = Must(f.one->admin.CreateTenant("operator", create)).id();
  v1::UpdateTenantRequest update;
  update.mutable_tenant()->set_id(id);
  update.mutable_tenant()->set_suspended(true);
  update.mutable_update_mask()->add_paths("suspended");
  v1::Tenant tenant = Must(f.one->admin.UpdateTenant("operator", update));
  CHECK(tenant.suspended());
  CHECK((tenant.name() == "Shop" && tenant.max_amount_minor() == 5000 && tenant.currency_codes_size() == 1));
  update.mutable_update_mask()->set_paths(0, "name");
  update.mutable_tenant()->set_name("Corner shop");
  update.mutable_tenant()->set_suspended(false);
  tenant = Must(f.two->admin.UpdateTenant("operator", update));
  CHECK((tenant.name() == "Corner shop" && tenant.suspended()));
  update.mutable_update_mask()->set_paths(0, "platform");
  const auto refused = DetailOf(f.one->admin.UpdateTenant("operator", update).status());
  REQUIRE(refused.has_value());
  CHECK(refused->field == "update_mask");
  update.clear_update_mask();
  tenant = Must(f.one->admin.UpdateTenant("operator", update));
  CHECK((!tenant.suspended() && tenant.max_amount_minor() == 0 && tenant.currency_codes().empty()));
}

TEST_CASE("a tenant of both modes is stopped by a live key only; roles, modes and numbers of keys have bounds") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Platforms f(backend);
  v1::CreateTenantRequest create;
  create.mutable_tenant()->set_name("By the operator");
  create.mutable_tenant()->set_platform_id(f.a);
  const std::string both = Must(f.one->admin.CreateTenant("operator", create)).id();
  CHECK(CodeOf(f.Suspend(f.a_test, both).status()) == "live_key_needed");
  CHECK(Must(f.Suspend(f.a_live, both)).suspended_by_platform());
  const std::string shop = Must(f.Make(f.a_test)).id();
  CHECK(DetailOf(f.MakeKey(*f.one, f.a_test, shop, v1::API_KEY_ROLE_PLATFORM).status())->field == "key.roles");
  v1::CreateApiKeyRequest key;
  key.mutable_key()->set_tenant_id(shop);
  key.mutable_key()->set_mode(common::v1::MODE_LIVE);
  key.mutable_key()->add_roles(v1::API_KEY_ROLE_READ);
  CHECK(DetailOf(f.one->admin.CreateApiKey("operator", key).status())->field == "key.mode");
  key.mutable_key()->set_mode(common::v1::MODE_TEST);
  key.mutable_key()->add_roles(v1::API_KEY_ROLE_PLATFORM);
  CHECK(DetailOf(f.one->admin.CreateApiKey("operator", key).status())->field == "key.roles");
  std::string last;
  for (int i = 0; i < kMaxKeysOfTenant; ++i) last = Must(f.MakeKey(*f.one, f.a_test, shop)).id();
  CHECK(CodeOf(f.MakeKey(*f.one, f.a_test, shop).status()) == "too_many_keys");
  v1::RevokeTenantApiKeyRequest revoke;
  revoke.set_tenant_id(shop);
  revoke.set_key_id(last);
  CHECK(Must(f.Ask<v1::ApiKey>(*f.two, "RevokeTenantApiKey", revoke, f.a_test)).revoked());
  CHECK(f.MakeKey(*f.one, f.a_test, shop).ok());
}

TEST_CASE("platform methods want the role and the platform itself, and leave a record; its edges carry its tenants") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Platforms f(backend);
  CHECK(CodeOf(f.Make(f.NewKey(f.a, {v1::API_KEY_ROLE_SESSIONS, v1::API_KEY_ROLE_FINANCE, v1::API_KEY_ROLE_READ})).status()) == "role_missing");
  const std::string shop = Must(f.Make(f.a_test)).id();
  CHECK(DetailOf(f.Ask<v1::ListPlatformTenantsResponse>(*f.one, "ListPlatformTenants", v1::ListPlatformTenantsRequest(), f.a_test, {}, shop).status())->field == "Flattone-Tenant");
  v1::PutEdgeRequest edge;
  edge.mutable_edge()->set_edge_id("edge-1");
  edge.mutable_edge()->add_tenant_ids(f.a);
  Must(f.one->admin.PutEdge("operator", edge));
  v1::RenewRelayLeaseRequest renew;
  renew.set_relay_id("rly_1");
  const auto lease = Must(f.two->fleet.Renew(renew));
  REQUIRE(lease.edges_size() == 1);
  CHECK(std::vector<std::string>(lease.edges(0).tenant_ids().begin(), lease.edges(0).tenant_ids().end()) == std::vector<std::string>{f.a, shop});
  renew.set_edges_revision(lease.edges_revision());
  CHECK(!Must(f.two->fleet.Renew(renew)).edges_included());
  const std::string second = Must(f.Make(f.a_test)).id();
  CHECK(Must(f.two->fleet.Renew(renew)).edges(0).tenant_ids_size() == 3);
  const auto actions = Must(f.two->admin.ListActions({})).actions();
  std::string told;
  for (const auto& action : actions) {
    if (action.actor().rfind("key_", 0) == 0) told += action.action() + " " + (action.object() == shop ? "shop" : action.object() == second ? "second" : "?") + "; ";
  }
  CHECK(told == "tenant.create shop; tenant.create second; ");
}

}  // namespace
}  // namespace flattone::session
