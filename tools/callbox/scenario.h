// What happens in a call: a script of keys, a payment by the session API, or commands from standard input.
#pragma once

#include "tools/callbox/phone_call.h"
#include "tools/callbox/session_client.h"

namespace flattone::call {

// The key script at its time, then the rest of the call's length.
void RunScript(PhoneCall& call, const Options& options, const Material& material);

// A payment: session, secure capture, the card's keys, pay, end. Prints every event.
void RunPayment(PhoneCall& call, const Options& options, const Material& material, SessionClient& api, Report& report);

// Commands on standard input, one a line, until it ends (README lists them).
void RunControl(std::vector<std::unique_ptr<PhoneCall>>& calls, const Options& options, Report& report);

}  // namespace flattone::call
