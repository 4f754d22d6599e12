// The sandbox PSP as two pure request handlers: one routes to a dialect and puts idempotency and faults around what it does,
// one takes the admin calls. The servers (main.cc, tests) only carry bytes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "libs/http/server.h"
#include "tools/sandbox-psp/dialect.h"

namespace flattone::sandbox {

class Psp {
 public:
  Psp(const Clock& clock, Random& random);

  // The PSP's own port: both dialects. Blocks while a request is slow or held, so the server needs as many handler
  // threads as requests that may be held.
  void Handle(http::Request request, http::ResponseWriter writer);
  // The admin port: the calls under /_sandbox/, without a key.
  void HandleAdmin(http::Request request, http::ResponseWriter writer);
  // How "listen" reaches the PSP's port.
  void SetListen(std::function<absl::Status(bool)> listen) { listen_ = std::move(listen); }
  // Lets everything go that is held or slow; nothing is held from then on.
  void Stop();

  Ledger& ledger() { return ledger_; }

 private:
  struct Held {
    std::string operation, stage;
    std::vector<std::string> references;
    bool released = false, drop = false;
  };

  void Run(Dialect& dialect, Call call, http::ResponseWriter writer);
  Reply Execute(Dialect& dialect, const Call& call, std::optional<FaultKind> fault);
  void Sleep(int64_t ms);
  bool Hold(const Call& call, const char* stage);  // false: close instead of answering
  Reply Admin(const http::Request& request, const std::string& path, const http::Fields& query);
  Reply ArmFault(const std::string& body);
  Reply Release(const std::string& body);
  Reply ListHeld();
  Reply ListFaults();

  Ledger ledger_;
  FaultList faults_;
  std::unique_ptr<Dialect> sandbox_, stripe_;
  std::function<absl::Status(bool)> listen_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  int64_t next_held_ = 1;
  std::map<int64_t, Held> held_;
  std::map<std::string, int64_t> requests_;
};

// The magic cards with their whole numbers, as JSON.
std::string CardsJson();

}  // namespace flattone::sandbox
