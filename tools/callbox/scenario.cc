#include "tools/callbox/scenario.h"

#include <chrono>
#include <condition_variable>
#include <thread>

#include "absl/strings/str_cat.h"

namespace flattone::call {
namespace {

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// Events of one session, printed as they come; others wait for one of a kind.
class EventWatch {
 public:
  EventWatch(SessionClient& api, std::string session, std::string call, Report& report)
      : api_(api), session_(std::move(session)), call_(std::move(call)), report_(report), thread_([this] { Run(); }) {}
  ~EventWatch() {
    stop_.store(true);
    thread_.join();
  }

  // False if none of these types came within the time.
  bool WaitFor(const std::vector<std::string>& types, double seconds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::duration<double>(seconds), [&] {
      for (const std::string& type : types)
        if (std::find(seen_.begin(), seen_.end(), type) != seen_.end()) return true;
      return false;
    });
  }

 private:
  void Run() {
    const absl::Status status = api_.Watch(
        session_, [this](const SessionEvent& event) { Take(event); }, [this] { return stop_.load(); });
    if (!status.ok()) report_.Error(call_, "events", std::string(status.message()));
  }
  void Take(const SessionEvent& event) {
    report_.Line("event", call_, absl::StrCat("{\"event\":", event.json, "}"));
    std::lock_guard lock(mutex_);
    seen_.push_back(event.type);
    changed_.notify_all();
  }

  SessionClient& api_;
  std::string session_, call_;
  Report& report_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

Card CardFor(const PhoneCall& call, const Options& options, const Material& material) {
  if (!material.cards.empty()) return material.cards[static_cast<size_t>(call.index()) % material.cards.size()];
  return MakeCard(options.card_prefix, options.card_length, options.seed, static_cast<uint64_t>(call.index()));
}

absl::Status TypeCard(PhoneCall& call, const Options& options, const Material& material) {
  const std::vector<std::string> fields = FieldKeys(CardFor(call, options, material), options.end_fields);
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) Sleep(options.talk / 2);
    if (absl::Status status = call.Type(fields[i], options.style); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PayInCall(PhoneCall& call, const std::string& session, const Options& options, const Material& material,
                       SessionClient& api, Report& report, EventWatch& events) {
  if (absl::Status status = api.StartCapture(session); !status.ok()) return status;
  call.MarkSecure(true);
  report.Line("secure", call.reference());
  Sleep(options.talk / 2);
  if (absl::Status status = TypeCard(call, options, material); !status.ok()) return status;
  if (!events.WaitFor({"session.ready"}, 10))
    return absl::DeadlineExceededError("the card was typed, and no session.ready event came within 10 s");
  const absl::StatusOr<std::string> payment = api.Pay(session);
  if (!payment.ok()) return payment.status();
  report.Line("payment", call.reference(), absl::StrCat("{\"payment\":", *payment, "}"));
  Sleep(options.talk);
  return absl::OkStatus();
}

}  // namespace

void RunScript(PhoneCall& call, const Options& options, const Material& material) {
  const auto begin = std::chrono::steady_clock::now();
  if (!material.script.empty()) {
    Sleep(options.keys_at);
    call.Press(material.script);
  }
  std::this_thread::sleep_until(begin + std::chrono::duration<double>(options.seconds));
}

void RunPayment(PhoneCall& call, const Options& options, const Material& material, SessionClient& api, Report& report) {
  Sleep(options.talk);
  Intent intent = options.intent;
  intent.order_reference = call.reference();
  const absl::StatusOr<std::string> session = api.Create(call.reference(), options.agent, intent);
  if (!session.ok()) {
    report.Error(call.reference(), "create_session", std::string(session.status().message()));
    return;
  }
  report.Line("session", call.reference(), Member("session_id", *session));
  EventWatch events(api, *session, call.reference(), report);
  const absl::Status paid = PayInCall(call, *session, options, material, api, report, events);
  if (!paid.ok()) report.Error(call.reference(), "payment", std::string(paid.message()));
  const absl::Status ended = paid.ok() ? api.End(*session) : api.Cancel(*session);
  if (!ended.ok()) report.Error(call.reference(), "end_session", std::string(ended.message()));
  else events.WaitFor({"session.ended"}, 5);
}

}  // namespace flattone::call
