// What the command line of `call` says.
#pragma once

#include <string>

#include "tools/callbox/g711.h"
#include "tools/callbox/keys.h"
#include "tools/callbox/media_client.h"
#include "tools/callbox/network.h"
#include "tools/callbox/session_client.h"

namespace flattone::call {

struct Options {
  // The fleet.
  RelayAccess relay;
  ApiAccess api;  // empty address: no session is driven
  std::string api_key_file;

  // The calls.
  int calls = 1;
  int parallel = 200;     // at most so many at the same time
  double rate = 50;       // at most so many new ones a second
  double seconds = 10;    // each lasts so long, unless a session or --control ends it
  std::string reference = "call";  // call references: this, a dash and a number
  std::string host = "127.0.0.1";  // local address of RTP
  int shared_sockets = 0;

  // Sound.
  std::string caller_wav, agent_wav, caller_pcap, agent_pcap;
  int pcap_port = 0;
  bool loop = true;
  Codec codec = Codec::kPcmu;
  int ptime_ms = 20;
  int event_payload_type = 101;
  std::string offer_events = "auto";  // auto, yes, no
  double drift_ppm = 0;
  Impairments impairments;

  // Keys.
  KeyTransport transport = KeyTransport::kInband;
  KeyStyle style;
  std::string key_script;  // file, - for standard input
  double keys_at = 1;      // seconds after the call is up
  bool protect = false;
  double rtcp_seconds = 5;  // 0: none

  // The session.
  std::string cards;        // file, - for standard input; empty: made up
  std::string card_prefix = "4";
  int card_length = 16;
  Intent intent;
  bool end_fields = true;  // type '#' after each field
  double talk = 1;         // seconds of talk before the capture, between fields and after the payment
  std::string agent = "agent-1";

  // What comes out.
  std::string out;  // folder; empty: no recordings
  int record = 1;   // the first so many calls
  bool control = false;
  uint64_t seed = 1;

  bool events_offered() const {
    return offer_events == "yes" || (offer_events == "auto" && transport != KeyTransport::kInband);
  }
};

// Reads the command line and the environment. Exits with --help, and with a message that names a wrong option.
Options ParseOptions(int argc, char** argv);

}  // namespace flattone::call
