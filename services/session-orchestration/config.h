// What an operator can set. Every flag is also FLATTONE_<FLAG> and a key of --config.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/error.h"
#include "libs/base/gate.h"
#include "libs/daemon/flags.h"
#include "services/session-orchestration/replica/replica.h"

namespace flattone::session {

struct Config {
  std::string database = "sqlite:session.db";
  int database_sessions = 16;
  std::string replica_id;
  std::string role = "all";
  std::string vault_address = "127.0.0.1:7003";
  std::string adapter_address = "127.0.0.1:7004";
  absl::Duration session_timeout = absl::Hours(4);
  int max_grpc_streams = 200;
  std::string rest_address = "127.0.0.1:8443";
  std::string key_file;
  bool key_file_create = false;
  std::vector<std::string> webhook_allow_cidr;
  std::string webhook_ca;
  int64_t locked_bytes = 256 * 1024;
  bool allow_test_gates = false;
  std::string test_gates;

  void Declare(daemon::Flags& flags) {
    flags.Group("Session orchestration");
    flags.Hidden("database", &database, "sqlite:/path/file.db or postgresql://user:password@host/db");
    flags.Integer("database-sessions", &database_sessions, 2, 200, "connections to the database");
    flags.Custom("replica-id", "", "name of this replica, its own and the same after a restart: it takes its former leases over at once; empty: a new one with every start",
                 [this](const std::string& text) {
                   replica_id = text;
                   return text.empty() ? absl::OkStatus() : CheckReplicaId(text);
                 });
    flags.Choice("role", &role, {"all", "api", "worker"}, "answer the public API, do the background work, or both");
    flags.Address("vault-address", &vault_address, "tokenisation-vault, any replica");
    flags.Address("adapter-address", &adapter_address, "gateway-adapter");
    flags.Duration("session-timeout", &session_timeout, absl::Minutes(1), absl::Hours(24), "a session ends by itself after this time");
    flags.Integer("max-grpc-streams", &max_grpc_streams, 1, 5000, "event streams over gRPC at once; each holds a thread");
    flags.Address("rest-address", &rest_address, "where API clients reach this service by REST and server-sent events (server TLS)");
    flags.Text("key-file", &key_file, "key-encryption key that webhook secrets are sealed under");
    flags.Switch("key-file-create", &key_file_create, "make the key file at the first start");
    flags.List("webhook-allow-cidr", &webhook_allow_cidr, "private address ranges that webhooks may reach all the same; empty: none");
    flags.Text("webhook-ca", &webhook_ca, "authorities of webhook receivers, PEM; empty: the system's");
    flags.Integer("locked-bytes", &locked_bytes, 64 * 1024, 64 << 20, "locked memory for keys");
    flags.Group("Tests");
    flags.Switch("allow-test-gates", &allow_test_gates, "let --test-gates hold this process at named points");
    flags.Text("test-gates", &test_gates, 
               "directory of hold points (only with --allow-test-gates): capture_reserved, capture_secured, payment_committed, card_tokenised, "
               "operation_committed, event_numbered, outcome_read, event_committed_webhook_not_sent, webhook_sent_not_marked");
  }

  // INVALID_ARGUMENT when gates are named but not allowed.
  absl::StatusOr<std::unique_ptr<Gates>> MakeGates() const {
    if (test_gates.empty()) return std::make_unique<Gates>();
    if (!allow_test_gates) return InvalidField("test-gates", "is set", "empty unless --allow-test-gates is given");
    return std::make_unique<Gates>(test_gates);
  }
};

}  // namespace flattone::session
