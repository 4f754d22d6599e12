#include "libs/obs/metrics.h"
#include "libs/obs/passing_gauge.h"

#include <thread>

#include "libs/base/check.h"
#include "libs/testing/catch.h"

namespace flattone::obs {
namespace {

TEST_CASE("Handles with the same name and labels move the same cell") {
  Registry registry;
  Counter a(registry, "flattone_test_calls_total", "Calls", {{"x", "1"}, {"a", "2"}});
  Counter b(registry, "flattone_test_calls_total", "Calls", {{"a", "2"}, {"x", "1"}});
  a.Add();
  b.Add(2);
  CHECK(a.Value() == 3);
  CHECK(registry.Value("flattone_test_calls_total", {{"x", "1"}, {"a", "2"}}) == 3);
  CHECK(registry.Value("flattone_test_calls_total") == -1);
}

TEST_CASE("The text a scrape sees carries help, type, labels, buckets") {
  Registry registry;
  Gauge gauge(registry, "flattone_test_depth", "Depth");
  gauge.Set(4);
  gauge.Add(-1.5);
  Histogram histogram(registry, "flattone_test_wait_seconds", "Wait", {0.1, 1});
  histogram.Observe(0.1);
  histogram.Observe(0.5);
  histogram.Observe(7);
  const std::string text = registry.Text();
  CHECK(text.find("# HELP flattone_test_depth Depth") != std::string::npos);
  CHECK(text.find("flattone_test_depth 2.5") != std::string::npos);
  CHECK(text.find("# TYPE flattone_test_wait_seconds histogram") != std::string::npos);
  CHECK(text.find("flattone_test_wait_seconds_bucket{le=\"0.1\"} 1") != std::string::npos);
  CHECK(text.find("flattone_test_wait_seconds_bucket{le=\"1\"} 2") != std::string::npos);
  CHECK(text.find("flattone_test_wait_seconds_bucket{le=\"+Inf\"} 3") != std::string::npos);
  CHECK(text.find("flattone_test_wait_seconds_sum 7.6") != std::string::npos);
}

TEST_CASE("A gauge function is asked while its handle lives") {
  Registry registry;
  {
    GaugeFunction queue(registry, "flattone_test_queue", "Queue", [] { return 12.0; });
    CHECK(registry.Value("flattone_test_queue") == 12);
  }
  CHECK(registry.Value("flattone_test_queue") == 0);
}

TEST_CASE("A family folds values beyond its limit into other") {
  Registry registry;
  CounterFamily family(registry, "flattone_test_refused_total", "Refused", "code", 2);
  for (const char* code : {"a", "b", "c", "d", "a"}) family.Add(code);
  CHECK(registry.Value("flattone_test_refused_total", {{"code", "a"}}) == 2);
  CHECK(registry.Value("flattone_test_refused_total", {{"code", "other"}}) == 2);
  CHECK(registry.Value("flattone_test_refused_total", {{"code", "c"}}) == -1);
}

TEST_CASE("One name for two kinds is counted as a bug and never scraped twice") {
  Registry registry;
  const uint64_t before = BugCount();
  Counter counter(registry, "flattone_test_thing", "Thing");
  Gauge gauge(registry, "flattone_test_thing", "Thing");
  gauge.Set(5);
  counter.Add();
  CHECK(BugCount() == before + 1);
  CHECK(registry.Value("flattone_test_thing") == 1);
}

TEST_CASE("A passing gauge's series ends with it and begins anew") {
  Registry registry;
  {
    PassingGauge gauge(registry, "flattone_test_relay_calls", "Calls", {{"relay", "r1"}});
    PassingGauge other(registry, "flattone_test_relay_calls", "Calls", {{"relay", "r2"}});
    gauge.Set(3);
    CHECK(registry.Value("flattone_test_relay_calls", {{"relay", "r1"}}) == 3);
    CHECK(registry.Text().find("r2") != std::string::npos);
  }
  CHECK(registry.Text().find("r1") == std::string::npos);
  PassingGauge again(registry, "flattone_test_relay_calls", "Calls", {{"relay", "r1"}});
  CHECK(registry.Value("flattone_test_relay_calls", {{"relay", "r1"}}) == 0);
}

TEST_CASE("No count is lost between threads") {
  Registry registry;
  Counter counter(registry, "flattone_test_n_total", "N");
  Histogram histogram(registry, "flattone_test_h_seconds", "H", DurationBounds());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        counter.Add();
        histogram.Observe(0.001);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(counter.Value() == 20000);
  CHECK(histogram.Count() == 20000);
}

}  // namespace
}  // namespace flattone::obs
