// What every adapter must do, against the sandbox PSP as a process of its own, over TLS, with each of its faults.
// The verdict comes from the sandbox's ledger. A new adapter joins by one line in Kinds().
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/testing/catch.h"
#include "services/gateway-adapter/psp/sandbox.h"
#include "services/gateway-adapter/psp/sandbox_process.h"
#include "services/gateway-adapter/psp/stripe.h"

namespace flattone::gateway {
namespace {

using fakes::SandboxProcess;

SandboxProcess& Sandbox() {
  static SandboxProcess sandbox;
  return sandbox;
}

struct Kind {
  std::string name;
  std::string field, key;
};
std::vector<Kind> Kinds() { return {{"sandbox", "api_key", "sbx_conformance"}, {"stripe", "secret_key", "sk_test_conformance"}}; }
std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

std::string WithCheckDigit(std::string digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int d = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 0) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  return digits + static_cast<char>('0' + (10 - sum % 10) % 10);
}

crypto::SecretCard Card(const std::string& number) {
  auto card = crypto::SecretCard::Create();
  crypto::ClearCard& clear = card->Update(secret::ClearCardAccess("fill in a test number"));
  clear.pan_size = static_cast<uint8_t>(number.size());
  std::copy(number.begin(), number.end(), clear.pan.begin());
  clear.expiry_month = 12;
  clear.expiry_year = 34;
  clear.security_code_size = 3;
  clear.security_code = {'1', '2', '3'};
  clear.postcode_size = 4;
  clear.postcode = {'8', '0', '0', '1'};
  return std::move(*card);
}

const std::string kGood = WithCheckDigit("424242424242424");

// One payment at one PSP, as the runner and the resolver would drive it.
struct Bench {
  explicit Bench(const Kind& kind, const std::string& ca_file = Sandbox().ca_file())
      : client({.ca_file = ca_file}),
        endpoint{kind.name, Sandbox().url(), {.connect = absl::Seconds(2), .answer = absl::Seconds(2), .total = absl::Seconds(4)}} {
    credentials.emplace(kind.field, std::move(*secret::SecretBytes::CopyOf(std::string_view(kind.key))));
    Make(kind);
    static int next = 0;
    payment = absl::StrCat("pay_", kind.name, "_", next++);
  }
  void Make(const Kind& kind) {
    if (kind.name == "stripe") psp = std::make_unique<StripeAdapter>(endpoint, client);
    else psp = std::make_unique<SandboxAdapter>(endpoint, client);
  }
  void Impatient(const Kind& kind) {
    endpoint.times.answer = absl::Milliseconds(250);
    Make(kind);
  }
  Attempt Begin(Operation operation, int64_t amount) {
    Attempt a;
    a.operation = operation;
    a.attempt_id = absl::StrCat("att_", payment, "_", ++attempts);
    a.idempotency_key = "key_" + a.attempt_id;
    a.payment_id = payment;
    a.amount_minor = amount;
    a.currency = "EUR";
    a.order_reference = "order \"1\"";
    a.target_reference = authorised;
    a.refunded_before_minor = refunded;
    return a;
  }
  SendResult Send(Attempt& a, const std::string& number = kGood) {
    const crypto::SecretCard card = Card(number);
    SendRequest request{.attempt = a, .credentials = credentials, .card = a.operation == Operation::kAuthorise ? &card : nullptr,
                        .checkpoint = nullptr, .on_connected = [this] { ++connected; }};
    std::string committed;
    request.checkpoint = [&committed](const std::string& reference) {
      committed = reference;
      return absl::OkStatus();
    };
    SendResult result = psp->Send(request);
    a.psp_reference = result.facts.psp_reference.empty() ? committed : result.facts.psp_reference;
    return result;
  }
  // Asks and fences until there is an outcome, at most four times.
  PspFacts Resolve(Attempt& a) {
    for (a.asked = 0; a.asked < 4; ++a.asked) {
      const AskResult asked = psp->Ask(a, credentials);
      if (asked.finding == Finding::kDone) return asked.facts;
      if (asked.finding != Finding::kNothingMoved) continue;
      if (psp->Fence(a, credentials).finding == FenceFinding::kFenced) return {.answer = Answer::kVoided};
    }
    return {};
  }
  // An approved authorisation to work on.
  void Authorise(bool capture_now = false) {
    Attempt a = Begin(Operation::kAuthorise, 1000);
    a.capture_now = capture_now;
    const SendResult result = Send(a);
    REQUIRE(result.sent == Sent::kAnswered);
    REQUIRE(result.facts.answer == Answer::kApproved);
    CHECK(result.facts.captured == capture_now);
    authorised = result.facts.psp_reference;
    REQUIRE_FALSE(authorised.empty());
    CHECK(result.facts.authorisation_code.size() == 6);
  }

  http::HttpClient client;
  PspEndpoint endpoint;
  Credentials credentials;
  std::unique_ptr<PspAdapter> psp;
  std::string payment, authorised;
  int attempts = 0, connected = 0;
  int64_t refunded = 0;
};

TEST_CASE("Authorise, capture in part, refund in parts; void; charge at once") {
  const Kind kind = GENERATE(from_range(Kinds()));
  CAPTURE(kind);
  Bench b(kind);
  b.Authorise();
  CHECK(b.connected == 1);
  CHECK(Sandbox().LiveCharges(b.payment) == 1);
  Attempt capture = b.Begin(Operation::kCapture, 700);
  SendResult result = b.Send(capture);
  CHECK(result.facts.answer == Answer::kApproved);
  CHECK(result.facts.captured);
  for (const int64_t amount : {300, 400}) {
    Attempt refund = b.Begin(Operation::kRefund, amount);
    result = b.Send(refund);
    CHECK(result.facts.answer == Answer::kApproved);
    CHECK_FALSE(result.facts.psp_reference.empty());
    b.refunded += amount;
  }
  Attempt too_much = b.Begin(Operation::kRefund, 1);
  result = b.Send(too_much);
  CHECK(result.sent == Sent::kAnswered);
  CHECK(result.facts.answer == Answer::kError);

  Bench second(kind);
  second.Authorise();
  Attempt gone = second.Begin(Operation::kVoid, 1000);
  CHECK(second.Send(gone).facts.answer == Answer::kApproved);
  CHECK(Sandbox().LiveCharges(second.payment) == 0);
  Attempt late = second.Begin(Operation::kCapture, 1000);
  CHECK(second.Send(late).facts.answer == Answer::kError);

  Bench third(kind);
  third.Authorise(true);
}

TEST_CASE("Declines become the safe instruction; the raw code stays") {
  const Kind kind = GENERATE(from_range(Kinds()));
  struct Case {
    std::string number;
    Instruction instruction;
    std::string raw;
  };
  const Case c = GENERATE(from_range(std::vector<Case>{
      {WithCheckDigit("400000000000999"), Instruction::kOtherCard, "insufficient_funds"},
      {WithCheckDigit("400000000000012"), Instruction::kReenterSecurityCode, "incorrect_cvc"},
      {WithCheckDigit("400000000000011"), Instruction::kTryLater, "processing_error"},
      {WithCheckDigit("400000000000998"), Instruction::kStop, "lost_card"},
      {WithCheckDigit("400000990000001"), Instruction::kCallTheBank, "do_not_honor"},
      {WithCheckDigit("400000990000002"), Instruction::kStop, "pickup_card"}}));
  CAPTURE(kind, c.raw);
  Bench b(kind);
  Attempt a = b.Begin(Operation::kAuthorise, 1000);
  const SendResult result = b.Send(a, c.number);
  CHECK(result.sent == Sent::kAnswered);
  CHECK(result.facts.answer == Answer::kDeclined);
  CHECK(result.facts.instruction == c.instruction);
  CHECK(result.facts.raw_code.find(c.raw) != std::string::npos);
  CHECK(Sandbox().LiveCharges(b.payment) == 0);
}

TEST_CASE("A PSP that cannot be reached, or whose certificate is not trusted, is NOT_SENT") {
  const Kind kind = GENERATE(from_range(Kinds()));
  http::testing::TestPki other;
  Bench untrusting(kind, other.ca_file());
  Attempt a = untrusting.Begin(Operation::kAuthorise, 1000);
  CHECK(untrusting.Send(a).sent == Sent::kNotSent);
  Sandbox().Admin("listen", R"({"on":false})");
  Bench refused(kind);
  Attempt b = refused.Begin(Operation::kAuthorise, 1000);
  CHECK(refused.Send(b).sent == Sent::kNotSent);
  Sandbox().Admin("listen", R"({"on":true})");
  CHECK(Sandbox().Charges(untrusting.payment) + Sandbox().Charges(refused.payment) == 0);
}

TEST_CASE("A checkpoint that is refused, or cannot be made, sends nothing that moves money") {
  const Kind kind = GENERATE(from_range(Kinds()));
  const bool taken_over = GENERATE(true, false);
  Bench b(kind);
  const Attempt a = b.Begin(Operation::kAuthorise, 1000);
  const crypto::SecretCard card = Card(kGood);
  const SendRequest request{.attempt = a, .credentials = b.credentials, .card = &card,
                            .checkpoint = [&](const std::string&) {
                              return taken_over ? absl::FailedPreconditionError("taken over") : absl::UnavailableError("no database");
                            },
                            .on_connected = [] {}};
  CHECK(b.psp->Send(request).sent == (taken_over ? Sent::kTakenOver : Sent::kNotSent));
  CHECK(Sandbox().Charges(b.payment) == 0);
}

TEST_CASE("A fence that comes after the charge is too late, and asking tells of the charge") {
  const Kind kind = GENERATE(from_range(Kinds()));
  Bench b(kind);
  Attempt a = b.Begin(Operation::kAuthorise, 1000);
  a.capture_now = true;
  REQUIRE(b.Send(a).facts.answer == Answer::kApproved);
  CHECK(b.psp->Fence(a, b.credentials).finding == FenceFinding::kTooLate);
  CHECK(Sandbox().LiveCharges(b.payment) == 1);
  const AskResult asked = b.psp->Ask(a, b.credentials);
  CHECK(asked.finding == Finding::kDone);
  CHECK(asked.facts.answer == Answer::kApproved);
}

TEST_CASE("Every fault of an authorisation is UNKNOWN, and asking leads to what the PSP's ledger says") {
  const Kind kind = GENERATE(from_range(Kinds()));
  const std::string fault = GENERATE(as<std::string>{}, "drop", "drop_after", "reset", "reset_after", "error", "error_after", "stored_500", "garbage");
  CAPTURE(kind, fault);
  Bench b(kind);
  Sandbox().Arm(fault, "authorise");
  Attempt a = b.Begin(Operation::kAuthorise, 1000);
  REQUIRE(b.Send(a).sent == Sent::kUnknown);
  const bool charged = fault != "drop" && fault != "reset" && fault != "error";
  CHECK(Sandbox().Charges(b.payment) == (charged ? 1 : 0));
  CHECK(b.Resolve(a).answer == (charged ? Answer::kApproved : Answer::kVoided));
  CHECK(Sandbox().LiveCharges(b.payment) == (charged ? 1 : 0));
}

TEST_CASE("An answer that is too late is UNKNOWN; held before the charge and fenced, it never charges") {
  const Kind kind = GENERATE(from_range(Kinds()));
  const bool charged = GENERATE(true, false);
  CAPTURE(kind, charged);
  Bench b(kind);
  b.Impatient(kind);
  Sandbox().Arm(charged ? "hold" : "hold_before", "authorise");
  Attempt a = b.Begin(Operation::kAuthorise, 1000);
  REQUIRE(b.Send(a).sent == Sent::kUnknown);
  Sandbox().AwaitHeld(1);
  CHECK(b.Resolve(a).answer == (charged ? Answer::kApproved : Answer::kVoided));
  Sandbox().Admin("release");
  // The request that was on its way meets the fence.
  while (!Sandbox().Get("held").at("held").as_array().empty()) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) b.psp->Ask(a, b.credentials);
  CHECK(Sandbox().LiveCharges(b.payment) == (charged ? 1 : 0));
}

TEST_CASE("Faults of capture, void and refund are UNKNOWN and found by asking") {
  const Kind kind = GENERATE(from_range(Kinds()));
  const Operation operation = GENERATE(Operation::kCapture, Operation::kVoid, Operation::kRefund);
  const std::string fault = GENERATE(as<std::string>{}, "drop", "reset_after", "stored_500");
  CAPTURE(kind, static_cast<int>(operation), fault);
  Bench b(kind);
  b.Authorise(operation == Operation::kRefund);
  Sandbox().Arm(fault, operation == Operation::kCapture ? "capture" : operation == Operation::kVoid ? "void" : "refund");
  Attempt a = b.Begin(operation, 400);
  REQUIRE(b.Send(a).sent == Sent::kUnknown);
  const AskResult asked = b.psp->Ask(a, b.credentials);
  if (fault != "drop") {
    CHECK(asked.finding == Finding::kDone);
    CHECK(asked.facts.answer == Answer::kApproved);
  } else {
    CHECK(asked.finding == Finding::kNothingMoved);
    const FenceFinding fence = b.psp->Fence(a, b.credentials).finding;
    CHECK(fence == (operation == Operation::kVoid ? FenceFinding::kFenced : FenceFinding::kNoNews));
    if (operation == Operation::kVoid) CHECK(Sandbox().LiveCharges(b.payment) == 0);
  }
}

TEST_CASE("A fence that comes after the charge succeeded takes nothing back and says so, or voids it") {
  const Kind kind = GENERATE(from_range(Kinds()));
  Bench b(kind);
  Attempt a = b.Begin(Operation::kAuthorise, 1000);
  REQUIRE(b.Send(a).facts.answer == Answer::kApproved);
  const FenceFinding fence = b.psp->Fence(a, b.credentials).finding;
  CHECK((fence == FenceFinding::kFenced) == (Sandbox().LiveCharges(b.payment) == 0));
}

TEST_CASE("Wrong credentials are an error, not a decline, and the ledger stays empty") {
  Kind kind = GENERATE(from_range(Kinds()));
  kind.key = "wrong";
  Bench b(kind);
  Attempt a = b.Begin(Operation::kAuthorise, 1000);
  const SendResult result = b.Send(a);
  CHECK(result.sent == Sent::kAnswered);
  CHECK(result.facts.answer == Answer::kError);
  CHECK(Sandbox().Charges(b.payment) == 0);
}

}  // namespace
}  // namespace flattone::gateway
