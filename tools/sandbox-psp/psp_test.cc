#include "tools/sandbox-psp/psp.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/testing/catch.h"
#include "tools/sandbox-psp/psp_harness.h"

namespace flattone::sandbox {
namespace {

using http::Reach;

std::string PaymentBody(const std::string& number = "4242424242424242", bool capture = true,
                        const std::string& reference = "att_1", int64_t amount = 1250) {
  return "{\"reference\":\"" + reference + "\",\"payment_id\":\"pay_1\",\"amount_minor\":" + std::to_string(amount) +
         ",\"currency\":\"EUR\",\"capture\":" + (capture ? "true" : "false") + ",\"card\":{\"number\":\"" + number +
         "\",\"expiry\":\"1230\",\"security_code\":\"737\"}}";
}

std::string Status(const Answer& answer) { return answer.body.at("status").as_string().c_str(); }
std::string Magic(const char* name) { return WithCheckDigit(FindMagic(name)->prefix); }

}  // namespace

TEST_CASE("a payment is captured at once or later, refunded in parts, never beyond", "[sandbox]") {
  Harness psp;
  Answer paid = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("4242424242424242", false), "k1");
  CHECK(paid.code == 200);
  CHECK(Status(paid) == "authorised");
  CHECK(paid.body.at("card").at("last_four").as_string() == "4242");
  const std::string path = std::string("/v1/sandbox/payments/") + paid.body.at("id").as_string().c_str();
  CHECK(psp.Sandbox("POST", path + "/refund", "{}", "k2").code == 409);
  CHECK(psp.Sandbox("POST", path + "/capture", "{\"amount_minor\":1251}", "k3").code == 400);
  CHECK(Status(psp.Sandbox("POST", path + "/capture", "{\"amount_minor\":1000}", "k4")) == "captured");
  CHECK(psp.Sandbox("POST", path + "/capture", "{}", "k5").code == 409);
  CHECK(psp.Sandbox("POST", path + "/void", "{}", "k6").code == 409);
  CHECK(Status(psp.Sandbox("POST", path + "/refund", "{\"amount_minor\":400}", "k7")) == "refunded");
  CHECK(psp.Sandbox("POST", path + "/refund", "{\"amount_minor\":601}", "k8").code == 400);
  CHECK(psp.Sandbox("POST", path + "/refund", "{}", "k9").body.at("refunded_minor").as_int64() == 1000);
  CHECK(psp.Sandbox("POST", path + "/refund", "{}", "k10").code == 409);
  CHECK(psp.Charges() == 1);
}

TEST_CASE("a decline is HTTP 200 with a code and advice, and no charge", "[sandbox]") {
  Harness psp;
  const Answer declined = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("4000000000009995"), "k1");
  CHECK(declined.code == 200);
  CHECK(Status(declined) == "declined");
  CHECK(declined.body.at("decline").at("code").as_string() == "insufficient_funds");
  CHECK(declined.body.at("decline").at("advice").as_string() == "other_card");
  CHECK(psp.Charges() == 0);
}

TEST_CASE("each port takes its own calls only", "[sandbox]") {
  Harness psp;
  psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1");
  CHECK(psp.Sandbox("GET", "/_sandbox/ledger").code == 404);
  CHECK(psp.Sandbox("GET", "/%5Fsandbox/ledger").code == 404);
  CHECK(psp.Sandbox("POST", "/_sandbox/reset").code == 404);
  CHECK(psp.Sandbox("POST", "/_sandbox/reset", "{}", "", "").code == 404);
  CHECK(psp.Send(*psp.admin, "POST", "/v1/sandbox/payments", PaymentBody("4242424242424242", true, "att_2"), "k2", "sbx_1").code == 404);
  CHECK(psp.Send(*psp.admin, "POST", "/v1/payment_methods", "type=card", "k3", "sk_test_1").code == 404);
  CHECK(psp.Charges() == 1);
}

TEST_CASE("a key replays its answer, refuses another body, and is bound to its account", "[sandbox]") {
  Harness psp;
  const Answer first = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1");
  const Answer again = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1");
  CHECK(again.replayed);
  CHECK(again.body == first.body);
  CHECK(psp.Charges() == 1);
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("4242424242424242", true, "att_1", 9), "k1").code == 422);
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("4000000000000002"), "k1").code == 422);
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1", "sbx_2").code == 200);
  CHECK(psp.Charges() == 2);
  CHECK(psp.Sandbox("GET", "/v1/sandbox/payments?reference=att_1").body.at("payments").as_array().size() == 1);
}

TEST_CASE("two keys for one payment are two charges: the ledger shows them", "[sandbox]") {
  Harness psp;
  psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1");
  psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k2");
  const Answer ledger = psp.Admin("GET", "ledger?payment_id=pay_1");
  CHECK(ledger.body.at("charges").as_array().size() == 2);
  CHECK(ledger.body.at("charges").as_array()[0].at("state").as_string() == "captured");
  CHECK(psp.Admin("GET", "ledger?payment_id=pay_2").body.at("charges").as_array().empty());
}

TEST_CASE("bad requests name the field", "[sandbox]") {
  Harness psp;
  struct Row {
    std::string body;
    const char* field;
  };
  const Row row = GENERATE(values<Row>({
      {"{}", "reference"},
      {"{\"reference\":\"a\",\"amount_minor\":\"1\"}", "amount_minor"},
      {PaymentBody("4242424242424241"), "number"},
      {PaymentBody("4242424242424242", true, "a", 0), "amount_minor"},
      {"{\"reference\":\"a\",\"amount_minor\":1,\"currency\":\"EURO\"}", "currency"},
      {"{\"reference\":\"a\",\"amount_minor\":1,\"currency\":\"EUR\",\"card\":{\"number\":\"4242424242424242\","
       "\"expiry\":\"1330\"}}", "expiry"},
  }));
  const Answer answer = psp.Sandbox("POST", "/v1/sandbox/payments", row.body, "k");
  CHECK(answer.code == 400);
  CHECK(std::string(answer.body.at("error").at("field").as_string().c_str()) == row.field);
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "").code == 400);
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k", "nokey").code == 401);
}

TEST_CASE("a fence voids what its reference authorised and stops what comes later", "[sandbox]") {
  Harness psp;
  psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("4242424242424242", false), "k1");
  CHECK(Status(psp.Sandbox("POST", "/v1/sandbox/fences", "{\"reference\":\"att_1\"}", "k2")) == "voided");
  const Answer late = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k3");
  CHECK(Status(late) == "declined");
  CHECK(late.body.at("decline").at("code").as_string() == "fenced");
  CHECK(Status(psp.Sandbox("POST", "/v1/sandbox/fences", "{\"reference\":\"att_9\"}", "k4")) == "fenced");
  CHECK(psp.Charges() == 1);
}

TEST_CASE("a fence that comes after the charge says so, and leaves it", "[sandbox]") {
  Harness psp;
  REQUIRE(Status(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1")) == "captured");
  CHECK(Status(psp.Sandbox("POST", "/v1/sandbox/fences", "{\"reference\":\"att_1\"}", "k2")) == "charged");
  CHECK(psp.Charges() == 1);
}

TEST_CASE("each fault does to money and to the client what the table says", "[sandbox]") {
  struct Row {
    const char* fault;
    bool charged;
    Reach reach;
    int code;
    int replay_code;    // what the same key brings afterwards
    size_t charges_after_replay;
  };
  const Row row = GENERATE(values<Row>({
      {"slow", true, Reach::kAnswered, 200, 200, 1},
      {"slow_after", true, Reach::kAnswered, 200, 200, 1},
      {"drop", false, Reach::kUnknown, 0, 200, 1},
      {"drop_after", true, Reach::kUnknown, 0, 200, 1},
      {"reset", false, Reach::kUnknown, 0, 200, 1},
      {"reset_after", true, Reach::kUnknown, 0, 200, 1},
      {"error", false, Reach::kAnswered, 500, 200, 1},
      {"error_after", true, Reach::kAnswered, 500, 200, 1},
      {"stored_500", true, Reach::kAnswered, 500, 500, 1},
      {"garbage", true, Reach::kAnswered, 200, 200, 1},
      {"forget_key", true, Reach::kAnswered, 200, 200, 2},
  }));
  CAPTURE(row.fault);
  Harness psp;
  CHECK(psp.Admin("POST", "faults", std::string("{\"fault\":\"") + row.fault + "\",\"operation\":\"authorise\",\"ms\":20}").code == 200);
  const Answer answer = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1");
  CHECK(answer.reach == row.reach);
  CHECK(answer.code == row.code);
  CHECK(psp.Charges() == (row.charged ? 1U : 0U));
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1").code == row.replay_code);
  CHECK(psp.Charges() == row.charges_after_replay);
}

TEST_CASE("an answer is held until told, before or after the charge", "[sandbox]") {
  Harness psp;
  const bool before = GENERATE(true, false);
  const bool drop = GENERATE(true, false);
  psp.Admin("POST", "faults", std::string("{\"fault\":\"") + (before ? "hold_before" : "hold") + "\"}");
  Answer answer;
  std::thread payer([&] { answer = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1"); });
  Answer held;
  do {
    held = psp.Admin("GET", "held");
  } while (held.body.at("held").as_array().empty());
  CHECK(held.body.at("held").as_array()[0].at("payment_id").as_string() == "pay_1");
  CHECK(psp.Charges() == (before ? 0U : 1U));
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1").code == (before ? 409 : 200));
  psp.Admin("POST", "release", drop ? "{\"drop\":true}" : "{}");
  payer.join();
  CHECK(answer.reach == (drop ? Reach::kUnknown : Reach::kAnswered));
  CHECK(psp.Charges() == (before && drop ? 0U : 1U));
}

TEST_CASE("faults are filtered by operation, reference and last four, and counted", "[sandbox]") {
  Harness psp;
  psp.Admin("POST", "faults", "{\"fault\":\"error\",\"operation\":\"capture\"}");
  psp.Admin("POST", "faults", "{\"fault\":\"error\",\"reference\":\"att_2\",\"count\":2}");
  psp.Admin("POST", "faults", "{\"fault\":\"error\",\"last_four\":\"4444\"}");
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1").code == 200);
  for (int i = 0; i < 3; ++i) {
    const Answer answer = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("4242424242424242", true, "att_2"), "k2");
    CHECK(answer.code == (i < 2 ? 500 : 200));
  }
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody("5555555555554444"), "k3").code == 500);
  CHECK(psp.Admin("DELETE", "faults").body.at("faults").as_array().empty());
  CHECK(psp.Admin("POST", "faults", "{\"fault\":\"nonsense\"}").code == 400);
}

TEST_CASE("pruned keys charge again", "[sandbox]") {
  Harness psp;
  psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1");
  psp.Admin("POST", "prune_keys");
  CHECK_FALSE(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(), "k1").replayed);
  CHECK(psp.Charges() == 2);
}

TEST_CASE("a magic fault card fails as armed faults do", "[sandbox]") {
  Harness psp;
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(Magic("fault:drop_after")), "k1").reach == Reach::kUnknown);
  CHECK(psp.Charges() == 1);
  CHECK(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(Magic("fault:stored_500")), "k2").code == 500);
  CHECK(psp.Charges() == 2);
}

TEST_CASE("ledger and keys survive in the journal, without a card number", "[sandbox]") {
  const auto path = std::filesystem::temp_directory_path() / ("sandbox-journal-" + std::to_string(getpid()));
  std::filesystem::remove(path);
  const std::string number = "4242424242424242";
  boost::json::value before, first;
  {
    Harness psp;
    REQUIRE(psp.psp.ledger().OpenJournal(path.string()).ok());
    first = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(number, false), "k1").body;
    psp.Sandbox("POST", std::string("/v1/sandbox/payments/") + first.at("id").as_string().c_str() + "/capture", "{}", "k2");
    psp.Sandbox("POST", "/v1/sandbox/fences", "{\"reference\":\"att_7\"}", "k3");
    psp.Stripe("POST", "/v1/payment_methods", "type=card&card[number]=" + number + "&card[exp_month]=12&card[exp_year]=2030");
    before = psp.Admin("GET", "ledger").body;
  }
  std::ofstream(path, std::ios::app) << "{\"kind\":\"paym";  // torn by a kill
  {
    Harness psp;
    REQUIRE(psp.psp.ledger().OpenJournal(path.string()).ok());
    CHECK(psp.Admin("GET", "ledger").body == before);
    const Answer again = psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(number, false), "k1");
    CHECK(again.replayed);
    CHECK(again.body == first);
    CHECK(Status(psp.Sandbox("POST", "/v1/sandbox/payments", PaymentBody(number, true, "att_7"), "k9")) == "declined");
  }
  {
    Harness psp;
    CHECK(psp.psp.ledger().OpenJournal(path.string()).ok());
  }
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  CHECK(text.find("424242") != std::string::npos);
  CHECK(text.find("4242424") == std::string::npos);
  std::filesystem::remove(path);
}

}  // namespace flattone::sandbox
