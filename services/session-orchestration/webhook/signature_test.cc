#include "services/session-orchestration/webhook/signature.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "libs/testing/catch.h"
#include "libs/testing/left_out.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/webhook/payload.h"

namespace flattone::session {
namespace {

std::string Tools() {
  const char* tools = std::getenv("FLATTONE_TOOLS");
  return tools != nullptr ? tools : std::string(std::getenv("HOME")) + "/.cache/flattone";
}

}  // namespace

TEST_CASE("the standard's own example is signed as it says", "[webhook]") {
  testing::SeededRandom random(1);
  auto secret = ParseSecretText("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  REQUIRE(secret.ok());
  const crypto::SigningKey key = crypto::SigningKey::Create(random).value();
  const std::string signature =
      SignWebhook({&*secret}, key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}");
  CHECK(signature.substr(0, signature.find(' ')) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("the v1a part verifies under the published key, over id, time and body", "[webhook]") {
  testing::SeededRandom random(1);
  auto secret = NewWebhookSecret(random).value();
  const crypto::SigningKey key = crypto::SigningKey::Create(random).value();
  const std::string signature = SignWebhook({&secret}, key, "msg_1", 7, "body");
  const size_t at = signature.find("v1a,");
  REQUIRE(at != std::string::npos);
  std::string raw;
  REQUIRE(absl::Base64Unescape(signature.substr(at + 4), &raw));
  CHECK(crypto::Verify(key.public_key(), crypto::AsBytes("msg_1.7.body"), raw));
  CHECK_FALSE(crypto::Verify(key.public_key(), crypto::AsBytes("msg_1.8.body"), raw));
  CHECK(PublicKeyText(key.public_key()).substr(0, 5) == "whpk_");
}

TEST_CASE("secrets survive their text, malformed ones are refused without being repeated", "[webhook]") {
  testing::SeededRandom random(1);
  auto secret = NewWebhookSecret(random).value();
  CHECK(secret::ConstantTimeEquals(secret, ParseSecretText(SecretText(secret)).value()));
  const char* text = GENERATE("", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
  const absl::Status status = ParseSecretText(text).status();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(std::string(status.message()).find("AAAA") == std::string::npos);
}

TEST_CASE("PyPI's standardwebhooks verifies what we sign, during a rotation with either secret", "[webhook]") {
  const std::string python = Tools() + "/venv/bin/python3";
  if (!std::filesystem::exists(python)) {
    flattone::testing::LeftOut("no " + std::string(python) + ": tools/setup makes it");
    return;
  }
  testing::SeededRandom random(5);
  auto fresh = NewWebhookSecret(random).value();
  auto old = NewWebhookSecret(random).value();
  const crypto::SigningKey key = crypto::SigningKey::Create(random).value();
  v1::Event event;
  event.set_id("evt_1");
  event.set_type("payment.captured");
  event.mutable_payment()->set_order_reference("Bestellung Nº 1 \"quoted\"");
  const std::string body = WebhookPayload(event, 3).value();
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  const auto script = std::filesystem::temp_directory_path() / ("webhook-judge-" + std::to_string(getpid()) + ".py");
  std::ofstream(script) << "import json, sys\nfrom standardwebhooks import Webhook, WebhookVerificationError\n"
                           "body = bytes.fromhex('" << absl::BytesToHexString(body) << "')\n"
                           "headers = {'webhook-id': 'msg_1', 'webhook-timestamp': '" << now << "',\n"
                           " 'webhook-signature': '" << SignWebhook({&fresh, &old}, key, "msg_1", now, body) << "'}\n"
                           "for secret in ('" << SecretText(fresh) << "', '" << SecretText(old) << "'):\n"
                           "    assert Webhook(secret).verify(body, headers)['sequence'] == 3\n"
                           "    try:\n"
                           "        Webhook(secret).verify(body.replace(b'3', b'4'), headers)\n"
                           "        sys.exit('a changed body was accepted')\n"
                           "    except WebhookVerificationError:\n"
                           "        pass\n";
  CHECK(std::system((python + " " + script.string()).c_str()) == 0);
  std::filesystem::remove(script);
}

TEST_CASE("a payment's payload has what finance needs, in numbers and words, and is stable", "[webhook]") {
  v1::Event event;
  event.set_id("evt_1");
  event.set_type("payment.captured");
  event.set_time("2026-01-01T00:00:00.000Z");
  event.set_mode(flattone::common::v1::MODE_LIVE);
  v1::Payment& payment = *event.mutable_payment();
  payment.set_id("pay_1");
  payment.set_state(v1::PAYMENT_STATE_CAPTURED);
  payment.mutable_amount()->set_amount_minor(1999);
  payment.mutable_amount()->set_currency_code("EUR");
  payment.set_brand(flattone::common::v1::CARD_BRAND_VISA);
  payment.set_last_four("4242");
  payment.set_psp("stripe");
  payment.set_psp_reference("pi_1");
  (*payment.mutable_metadata())["b"] = "2";
  (*payment.mutable_metadata())["a"] = "1";
  CHECK(WebhookPayload(event, 7).value() ==
        "{\"id\":\"evt_1\",\"type\":\"payment.captured\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"livemode\":true,\"sequence\":7,"
        "\"tenant_sequence\":0,\"data\":{\"payment_id\":\"pay_1\",\"session_id\":\"\",\"state\":\"captured\",\"amount_minor\":1999,"
        "\"currency\":\"EUR\",\"captured_minor\":0,\"refunded_minor\":0,\"psp\":\"stripe\",\"psp_reference\":\"pi_1\","
        "\"brand\":\"visa\",\"last_four\":\"4242\",\"metadata\":{\"a\":\"1\",\"b\":\"2\"}}}");
  payment.set_agent(std::string(30000, 'x'));
  CHECK_FALSE(WebhookPayload(event, 7).ok());
}

}  // namespace flattone::session
