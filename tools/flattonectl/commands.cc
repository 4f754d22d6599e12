#include "tools/flattonectl/commands.h"

namespace flattone::ctl {
namespace {

const std::string kAdmin = "flattone.session.v1.SessionAdminService.";
const std::string kPsp = "flattone.gateway.v1.GatewayAdminService.";
const std::string kCards = "flattone.vault.v1.VaultAdminService.";

std::vector<Argument> Paged(std::vector<Argument> arguments, const std::string& prefix = "") {
  arguments.push_back({"page-size", prefix + "page_size", "how many at most"});
  arguments.push_back({"page-token", prefix + "page_token", "where the previous page ended"});
  return arguments;
}

const Argument kTenant{"tenant", "tenant_id", "tenant, ten_…", true};
const Argument kAnyTenant{"tenant", "tenant_id", "only this tenant's"};
const Argument kMode{"mode", "mode", "test or live", true};

void AddSessionCommands(std::vector<Command>& all) {
  const std::vector<std::string> tenant = {"id", "name", "platform", "platform_id", "mode", "max_amount_minor", "suspended", "suspended_by_platform"};
  const std::vector<Argument> limits = {{"max-amount", "tenant.max_amount_minor", "highest amount of one payment, minor units"},
                                        {"currencies", "tenant.currency_codes", "list of ISO 4217 codes it may charge; none: all"}};
  std::vector<Argument> create = {{"name", "tenant.name", "1 to 100 characters", true},
                                  {"platform", "tenant.platform", "true: it creates tenants itself"},
                                  {"platform-id", "tenant.platform_id", "the platform it belongs to, ten_…"}};
  create.insert(create.end(), limits.begin(), limits.end());
  std::vector<Argument> update = {{"tenant", "tenant.id", "tenant, ten_…", true}, {"name", "tenant.name", "1 to 100 characters"},
                                  {"suspended", "tenant.suspended", "true: its keys stop working"}};
  update.insert(update.end(), limits.begin(), limits.end());
  all.push_back({"tenant", "create", "Create a merchant or platform", Target::kSession, kAdmin + "CreateTenant", create, "", tenant});
  all.push_back({"tenant", "get", "Show one tenant", Target::kSession, kAdmin + "GetTenant", {kTenant}, "", tenant});
  all.push_back({"tenant", "list", "List tenants", Target::kSession, kAdmin + "ListTenants", Paged({}), "tenants", tenant});
  all.push_back({"tenant", "update", "Change what is given: name, limits, suspension", Target::kSession, kAdmin + "UpdateTenant", update, "", tenant});

  const std::vector<std::string> key = {"id", "tenant_id", "mode", "roles", "description", "expires_at", "revoked"};
  all.push_back({"key", "create", "Create an API key; its secret is shown this once", Target::kSession, kAdmin + "CreateApiKey",
                 {{"tenant", "key.tenant_id", "tenant, ten_…", true}, {"mode", "key.mode", "test or live", true},
                  {"roles", "key.roles", "list of sessions, finance, read, platform (a platform's keys only)", true}, {"description", "key.description", "what it is for"},
                  {"expires-at", "key.expires_at", "RFC 3339 time; none: does not expire"}},
                 "", {"id", "mode", "roles", "secret"}});
  all.push_back({"key", "list", "List a tenant's API keys", Target::kSession, kAdmin + "ListApiKeys", Paged({kTenant}), "keys", key});
  all.push_back({"key", "revoke", "Revoke an API key, within five seconds everywhere", Target::kSession, kAdmin + "RevokeApiKey",
                 {{"key", "key_id", "key, key_…", true}}, "", key});

  const std::vector<std::string> edge = {"edge_id", "tenant_ids", "offering_side"};
  all.push_back({"edge", "put", "Create or replace an edge: its tenants and which side offers", Target::kSession, kAdmin + "PutEdge",
                 {{"edge", "edge.edge_id", "id in its certificate, edge/<id>", true}, {"tenants", "edge.tenant_ids", "list of tenants, ten_…", true},
                  {"offering-side", "edge.offering_side", "caller or agent; none: caller"}},
                 "", edge});
  all.push_back({"edge", "list", "List edges", Target::kSession, kAdmin + "ListEdges", Paged({}), "edges", edge});
  all.push_back({"edge", "delete", "Remove an edge", Target::kSession, kAdmin + "DeleteEdge", {{"edge", "edge_id", "its id", true}}, "", {}});
  all.push_back({"relay", "list", "List media relays and their leases", Target::kSession, kAdmin + "ListRelays", Paged({}), "relays",
                 {"relay_id", "grpc_address", "state", "load.calls", "load.call_capacity", "load.captures", "lease_until"}});
}

void AddSessionReaders(std::vector<Command>& all) {
  const std::vector<std::string> session = {"id", "call_reference", "state", "agent", "created_at"};
  all.push_back({"session", "list", "List a tenant's sessions", Target::kSession, kAdmin + "AdminListSessions",
                 Paged({kTenant, kMode, {"state", "list.state", "created, capturing, ready, processing or ended"},
                        {"call", "list.call_reference", "only this call's"}}, "list."),
                 "sessions", session});
  all.push_back({"session", "get", "Show one session", Target::kSession, kAdmin + "AdminGetSession",
                 {kTenant, {"session", "session_id", "session, ses_…", true}}, "", session});
  all.push_back({"payment", "list", "List a tenant's payments", Target::kSession, kAdmin + "AdminListPayments",
                 Paged({kTenant, kMode, {"state", "list.state", "processing, authorised, captured, declined, unknown …"},
                        {"order", "list.order_reference", "only this order's"}}, "list."),
                 "payments", {"id", "session_id", "state", "order_reference", "amount.amount_minor", "amount.currency_code", "brand", "last_four", "psp_reference"}});
  all.push_back({"event", "list", "List a tenant's events in their order", Target::kSession, kAdmin + "AdminListEvents",
                 {kTenant, kMode, {"after", "list.after", "only those with a higher number"}, {"page-size", "list.page_size", "how many at most"}},
                 "events", {"tenant_sequence", "id", "type", "session_id", "payment_id", "time"}});

  const std::vector<std::string> endpoint = {"id", "url", "mode", "event_types", "disabled", "disabled_reason", "last_sequence"};
  all.push_back({"webhook", "create", "Create a webhook endpoint; its secret is shown this once", Target::kSession, kAdmin + "AdminCreateWebhookEndpoint",
                 {kTenant, kMode, {"url", "endpoint.url", "https address", true},
                  {"events", "endpoint.event_types", "list such as payment.*,session.ended; none: all of these"},
                  {"description", "endpoint.description", "what it is for"}},
                 "", {"id", "url", "secret", "public_key"}});
  all.push_back({"webhook", "list", "List a tenant's webhook endpoints", Target::kSession, kAdmin + "AdminListWebhookEndpoints",
                 Paged({kTenant, kMode}, "list."), "endpoints", endpoint});
  all.push_back({"webhook", "deliveries", "List an endpoint's deliveries", Target::kSession, kAdmin + "AdminListWebhookDeliveries",
                 Paged({kTenant, {"endpoint", "list.endpoint_id", "endpoint, whe_…", true}, {"state", "list.state", "pending, delivered or failed"}}, "list."),
                 "deliveries", {"endpoint_sequence", "id", "event_type", "state", "attempts", "last_status", "next_attempt_at"}});
  all.push_back({"audit", "session", "What operators and platforms did at the orchestrator", Target::kSession, kAdmin + "ListAdminActions",
                 {{"after", "after_sequence", "only those with a higher number"}, {"page-size", "page_size", "how many at most"}},
                 "actions", {"sequence", "time", "actor", "action", "tenant_id", "object"}});
}

void AddGatewayCommands(std::vector<Command>& all) {
  const std::vector<std::string> account = {"account_id", "tenant_id", "mode", "psp", "credential_fields"};
  all.push_back({"psp", "put", "Set a tenant's account at a PSP; credentials are write-only", Target::kGateway, kPsp + "PutPspAccount",
                 {kTenant, kMode, {"psp", "psp", "one that the adapter's configuration names", true},
                  {"credential", "credentials", "name=@file or name=- (standard input); may be repeated", true, true}},
                 "", account});
  all.push_back({"psp", "list", "List a tenant's PSP accounts", Target::kGateway, kPsp + "ListPspAccounts", Paged({kTenant}), "accounts", account});
  all.push_back({"psp", "delete", "Remove a PSP account", Target::kGateway, kPsp + "DeletePspAccount",
                 {kTenant, {"account", "account_id", "account, psa_…", true}}, "", {}});
  const std::vector<std::string> attempt = {"attempt_id", "tenant_id", "payment_id", "operation", "outcome", "psp", "psp_reference"};
  all.push_back({"unknown", "list", "Attempts whose outcome is not known", Target::kGateway, kPsp + "ListUnknownAttempts", Paged({kAnyTenant}), "attempts", attempt});
  all.push_back({"unknown", "resolve", "Decide an unknown outcome, with the evidence", Target::kGateway, kPsp + "ResolveAttempt",
                 {kTenant, {"attempt", "attempt_id", "attempt, att_…", true}, {"answer", "answer", "approved, declined or voided", true},
                  {"psp-reference", "psp_reference", "with approved: the PSP's id as its dashboard shows it"},
                  {"reason", "reason", "why you are sure, 10 to 500 characters; never card data", true}},
                 "", attempt});
  all.push_back({"audit", "gateway", "What operators did at the gateway-adapter", Target::kGateway, kPsp + "ListAdminRecords",
                 {{"after", "after_sequence", "only those with a higher number"}, {"page-size", "page_size", "how many at most"}},
                 "records", {"sequence", "time_ms", "actor", "action", "tenant_id", "object", "reason"}});
}

void AddVaultCommands(std::vector<Command>& all) {
  all.push_back({"audit", "vault", "Who touched which card, when, with what result", Target::kVault, kCards + "ListAuditRecords",
                 {kAnyTenant, {"after", "after_sequence", "only those with a higher number"}, {"page-size", "page_size", "how many at most"}},
                 "records", {"sequence", "time_ms", "actor", "action", "tenant_id", "object", "result"}});
  all.push_back({"audit", "verify", "Verify the vault's whole audit chain; exit status 4 when it is broken", Target::kVault, kCards + "VerifyAudit",
                 {}, "", {"intact", "records", "broken_sequence", "problem"}});
  const std::vector<Argument> token = {kTenant, {"token", "token_id", "token, tok_…", true}};
  all.push_back({"token", "get", "What a token is; never its number", Target::kVault, kCards + "GetToken", token, "",
                 {"token_id", "purpose", "brand", "bin", "last_four", "destroyed"}});
  all.push_back({"token", "destroy", "Destroy a token's card", Target::kVault, kCards + "DestroyToken", token, "", {}});
  all.push_back({"tenant", "rotate-key", "New data key for a tenant's cards; old records stay readable", Target::kVault, kCards + "RotateDataKey",
                 {kTenant}, "", {"key_version"}});
}

}  // namespace

const std::vector<Command>& Commands() {
  static const auto* commands = [] {
    auto* all = new std::vector<Command>();
    AddSessionCommands(*all);
    AddSessionReaders(*all);
    AddGatewayCommands(*all);
    AddVaultCommands(*all);
    return all;
  }();
  return *commands;
}

}  // namespace flattone::ctl
