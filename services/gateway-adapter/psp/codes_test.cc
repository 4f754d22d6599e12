#include "libs/testing/catch.h"
#include "services/gateway-adapter/psp/form.h"
#include "services/gateway-adapter/psp/json_body.h"
#include "services/gateway-adapter/psp/stripe_codes.h"

namespace flattone::gateway {
namespace {

std::string Text(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

TEST_CASE("A form body is percent-encoded and bounded") {
  auto body = FormBody::Create();
  REQUIRE(body.ok());
  body->Add("card[number]", "12 34&=%");
  body->Add("amount", int64_t{-5});
  CHECK(Text(body->bytes()) == "card%5Bnumber%5D=12%2034%26%3D%25&amount=-5");
  body->Add("x", std::string(FormBody::kCapacity, 'x'));
  CHECK_FALSE(body->ok());
}

TEST_CASE("A JSON body escapes what would end a string") {
  auto body = JsonBody::Create();
  REQUIRE(body.ok());
  body->Text("a", "q\"\\\n").Number("n", 7).Open("c").Flag("t", true).Close().Flag("f", false).Close();
  CHECK(Text(body->bytes()) == R"({"a":"q\"\\\u000a","n":7,"c":{"t":true},"f":false})");
}

TEST_CASE("The scheme's word comes first, then the decline code, then the code") {
  CHECK(StripeInstruction("card_declined", "insufficient_funds", "do_not_try_again") == Instruction::kStop);
  CHECK(StripeInstruction("card_declined", "insufficient_funds", "try_again_later") == Instruction::kOtherCard);
  CHECK(StripeInstruction("incorrect_cvc", "", "") == Instruction::kReenterSecurityCode);
  CHECK(StripeInstruction("card_declined", "a_code_of_tomorrow", "") == Instruction::kOtherCard);
  CHECK(StripeInstruction("card_declined", "a_code_of_tomorrow", "try_again_later") == Instruction::kTryLater);
  CHECK(StripeInstruction("", "", "") == Instruction::kTryLater);
}

}  // namespace
}  // namespace flattone::gateway
