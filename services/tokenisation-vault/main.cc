// The tokenisation-vault's process: wiring only.
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/crypto/file_key_store.h"
#include "libs/daemon/process.h"
#include "libs/secret/arena.h"
#include "libs/secret/hardening.h"
#include "libs/storage/canary.h"
#include "services/tokenisation-vault/config.h"
#include "services/tokenisation-vault/grpc/admin_grpc.h"
#include "services/tokenisation-vault/grpc/capture_grpc.h"
#include "services/tokenisation-vault/grpc/intake_grpc.h"
#include "services/tokenisation-vault/grpc/release_grpc.h"

namespace {

using namespace flattone;
using namespace flattone::vault;

// Calls `tick` until stopped, on a thread of its own.
class Timer {
 public:
  void Start(std::function<void()> tick) {
    thread_ = std::thread([this, tick = std::move(tick)] {
      std::unique_lock<std::mutex> lock(mutex_);
      while (!stopped_) {
        lock.unlock();
        tick();
        lock.lock();
        wake_.wait_for(lock, std::chrono::milliseconds(100), [this] { return stopped_; });
      }
    });
  }
  ~Timer() { Stop(); }
  void Stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::thread thread_;
};

int PrintAuditVerdict(AuditChain& audit) {
  const auto verdict = audit.Verify();
  if (!verdict.ok()) {
    std::fprintf(stderr, "%s\n", verdict.status().ToString().c_str());
    return 2;
  }
  std::printf("{\"intact\":%s,\"records\":%lld,\"broken_sequence\":%lld,\"problem\":\"%s\"}\n", verdict->intact ? "true" : "false",
              static_cast<long long>(verdict->records), static_cast<long long>(verdict->broken_sequence), verdict->problem.c_str());
  return verdict->intact ? 0 : 1;
}

int Fail(daemon::Process& process, const absl::Status& status) {
  process.log().Error("cannot start", {{"status", status}});
  std::fprintf(stderr, "tokenisation-vault: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  daemon::Process process({.name = "tokenisation-vault",
                           .about = "Collects cards key by key in locked memory, keeps them encrypted, releases them sealed.",
                           .grpc_port = 7003,
                           .metrics_port = 9103,
                           .harden = &secret::HardenCardZone});
  Config config;
  config.Declare(process.flags());
  if (auto exit_code = process.Start(argc, argv)) return *exit_code;
  if (auto status = secret::Arena::Start(static_cast<size_t>(config.secret_arena_bytes)); !status.ok()) return Fail(process, status);
  auto kek = crypto::FileKeyStore::OpenOrCreate(config.kek_file, config.create_kek, process.random());
  if (!kek.ok()) return Fail(process, kek.status());
  auto database = storage::Database::Open(config.database, {.sessions = config.database_sessions});
  if (!database.ok()) return Fail(process, database.status());

  config.vault.replica_id = RandomId(process.random(), "vlt");
  auto vault = Vault::Create({**database, **kek, process.random(), process.clock(), process.metrics(), process.log()}, config.vault);
  if (!vault.ok()) return Fail(process, vault.status());
  if (auto status = storage::PlantCanary(**database, process.canary()); !status.ok()) return Fail(process, status);
  if (config.verify_audit) return PrintAuditVerdict((*vault)->audit());

  Random& random = process.random();
  CaptureGrpcService captures((*vault)->captures(), (*vault)->codes(), random, process.log());
  KeyIntakeGrpcService intake((*vault)->captures(), random, process.log());
  CardReleaseGrpcService release((*vault)->cards(), random, process.log());
  AdminGrpcService admin((*vault)->cards(), (*vault)->codes(), (*vault)->tokens(), (*vault)->keyring(), (*vault)->audit(), random);
  process.Add<v1::CaptureService>(&captures);
  process.Add<v1::KeyIntakeService>(&intake);
  process.Add<v1::CardReleaseService>(&release);
  process.Add<v1::VaultAdminService>(&admin);

  Timer clock, housekeeping;
  return process.Run({
      .started =
          [&]() -> absl::Status {
            std::string address = config.advertise_address;
            if (address.empty()) address = absl::StrCat("127.0.0.1:", process.grpc_port());
            if (auto status = (*vault)->Serve(address); !status.ok()) return status;
            clock.Start([&] { (*vault)->Tick(); });
            housekeeping.Start([&] { (*vault)->Tend(); });
            return absl::OkStatus();
          },
      .drain =
          [&](absl::Time deadline) {
            (*vault)->Drain();
            // Payments under way may take their code; at the deadline everything is wiped.
            while (!(*vault)->Idle() && process.clock().Now() < deadline) absl::SleepFor(absl::Milliseconds(20));
            (*vault)->Close();
          },
      .stop =
          [&] {
            clock.Stop();
            housekeeping.Stop();
          },
  });
}
