// Following the vault's progress streams: opened again when they end, lost when nobody answers, forgotten when it is over.
#include "services/session-orchestration/worker/watcher.h"

#include <thread>

#include "services/session-orchestration/tests/fixture.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

struct Watched : Fixture {
  explicit Watched(Backend backend) : Fixture(backend), watcher(one->domain, one->captures, one->log, 1, 100) {}
  // Rounds of the job, half a minute of the clock in all at most, until `done`.
  template <typename Done>
  bool Tend(const Done& done) {
    for (int round = 0; round < 30 && !done(); ++round) {
      around.clock.Advance(absl::Seconds(1));
      REQUIRE(watcher.Tend().ok());
      for (int i = 0; i < 2000 && !done(); ++i) std::this_thread::yield();
    }
    return done();
  }
  // A session in capture whose vault cannot be followed.
  std::string StartedWithVaultAway() {
    const std::string id = Create();
    around.vault.watch_error = absl::UnavailableError("away");
    Must(Start(id));
    return id;
  }
  Watcher watcher;
};

TEST_CASE("a stream that ends as soon as it is opened is opened again, until the capture counts as lost") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Watched f(backend);
  const std::string id = f.StartedWithVaultAway();
  CHECK(f.Tend([&] { return f.around.vault.watch_calls >= 3; }));
  CHECK(f.Get(id).state() == v1::SESSION_STATE_CAPTURING);
  CHECK(f.Tend([&] { return f.Get(id).state() == v1::SESSION_STATE_CREATED; }));
  CHECK(f.Events(id).back().type() == "session.capture_ended");
  CHECK(f.watcher.following() == 0);
}

TEST_CASE("a capture that is over while its vault is away takes no place among those that are followed") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Watched f(backend);
  const std::string id = f.StartedWithVaultAway();
  CHECK(f.Tend([&] { return f.around.vault.watch_calls >= 1; }));
  Must(f.Cancel(*f.one, id));
  CHECK(f.Tend([&] { return f.watcher.following() == 0; }));
  CHECK(f.around.vault.watch_calls < 10);
}

}  // namespace
}  // namespace flattone::session
