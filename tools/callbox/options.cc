#include "tools/callbox/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

namespace flattone::call {
namespace {

void AddFleet(CLI::App& app, Options& o) {
  app.add_option("--relay", o.relay.address, "gRPC address of the media relay, host:port")
      ->envname("FLATTONE_RELAY_ADDRESS")->required();
  app.add_option("--cert", o.relay.tls.certificate, "the edge's certificate, PEM")->envname("FLATTONE_EDGE_CERT")->required();
  app.add_option("--key", o.relay.tls.key, "its key, PEM")->envname("FLATTONE_EDGE_KEY")->required();
  app.add_option("--ca", o.relay.tls.ca, "the fleet's authority, PEM")->envname("FLATTONE_CA")->required();
  app.add_option("--trust-domain", o.relay.trust_domain, "of the fleet's certificates")
      ->envname("FLATTONE_TRUST_DOMAIN")->default_val("flattone.local");
  app.add_option("--tenant", o.relay.tenant, "tenant of the calls, ten_...")->envname("FLATTONE_TENANT")->required();
  app.add_option("--api", o.api.address, "public gRPC address of the session API: drive a payment in every call")
      ->envname("FLATTONE_API_ADDRESS");
  app.add_option("--api-ca", o.api.ca, "authority of its certificate, PEM; the machine's without")->envname("FLATTONE_API_CA");
  app.add_option("--api-key-file", o.api_key_file, "file with the API key (or FLATTONE_API_KEY in the environment)");
}

void AddCalls(CLI::App& app, Options& o) {
  app.add_option("--calls", o.calls, "how many calls")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--parallel", o.parallel, "at most so many at once")->check(CLI::Range(1, 5000))->capture_default_str();
  app.add_option("--rate", o.rate, "at most so many new ones a second")->check(CLI::Range(0.1, 10000.0))->capture_default_str();
  app.add_option("--seconds", o.seconds, "length of a call without a session")->check(CLI::Range(0.1, 3600.0))->capture_default_str();
  app.add_option("--reference", o.reference, "call references are this, '-' and a number")->capture_default_str();
  app.add_option("--host", o.host, "local address for RTP, IPv4 or IPv6")->capture_default_str();
  app.add_option("--shared-sockets", o.shared_sockets,
                 "all legs share so many sockets (thousands of calls); 0: each leg its own")->check(CLI::Range(0, 256))->capture_default_str();
  app.add_flag("--control", o.control, "take commands on standard input: see README");
  app.add_flag("--protect", o.protect, "ask the relay to mask the call without a capture");
}

void AddSound(CLI::App& app, Options& o) {
  static const std::map<std::string, Codec> codecs = {{"pcmu", Codec::kPcmu}, {"pcma", Codec::kPcma}};
  app.add_option("--caller-wav", o.caller_wav, "caller's voice: mono, 8 kHz, 16 bits");
  app.add_option("--agent-wav", o.agent_wav, "agent's voice");
  app.add_option("--caller-pcap", o.caller_pcap, "replay this capture's RTP as the caller, byte by byte");
  app.add_option("--agent-pcap", o.agent_pcap, "the same for the agent");
  app.add_option("--pcap-port", o.pcap_port, "only datagrams to this port of the capture; 0: its busiest stream");
  app.add_flag("!--once", o.loop, "do not start the voices again at their end");
  app.add_option("--codec", o.codec, "pcmu or pcma")->transform(CLI::CheckedTransformer(codecs, CLI::ignore_case));
  app.add_option("--ptime", o.ptime_ms, "milliseconds in a packet")->check(CLI::IsMember({10, 20, 30, 40, 60}))->capture_default_str();
  app.add_option("--event-type", o.event_payload_type, "payload type of telephone-event")->check(CLI::Range(96, 127))->capture_default_str();
  app.add_option("--offer-events", o.offer_events, "offer telephone-event: auto (when keys need it), yes, no")
      ->check(CLI::IsMember({"auto", "yes", "no"}))->capture_default_str();
}

void AddNetwork(CLI::App& app, Options& o) {
  Impairments& i = o.impairments;
  app.add_option("--loss", i.loss, "share of packets lost, 0 to 1")->check(CLI::Range(0.0, 0.9));
  app.add_option("--loss-burst", i.loss_burst, "mean number lost in a row")->check(CLI::Range(1.0, 100.0));
  app.add_option("--jitter", i.jitter_ms, "each packet waits up to so many milliseconds")->check(CLI::Range(0.0, 1000.0));
  app.add_option("--reorder", i.reorder, "share of packets that are overtaken")->check(CLI::Range(0.0, 1.0));
  app.add_option("--duplicate", i.duplicate, "share of packets sent twice")->check(CLI::Range(0.0, 1.0));
  app.add_option("--rtcp", o.rtcp_seconds, "seconds between sender reports, multiplexed with RTP; 0: none")->check(CLI::Range(0.0, 60.0))->capture_default_str();
  app.add_option("--drift", o.drift_ppm, "caller's clock runs fast by so many ppm")->check(CLI::Range(-1000.0, 1000.0));
  app.add_option("--seed", o.seed, "for all that is random")->capture_default_str();
}

void AddKeys(CLI::App& app, Options& o) {
  static const std::map<std::string, KeyTransport> transports = {
      {"inband", KeyTransport::kInband}, {"rfc4733", KeyTransport::kRfc4733}, {"both", KeyTransport::kBoth}};
  app.add_option("--keys", o.transport, "how keys travel: inband, rfc4733 or both")
      ->transform(CLI::CheckedTransformer(transports, CLI::ignore_case));
  app.add_option("--key-script", o.key_script, "keys of a call without a session: lines AT_MS KEY [LENGTH_MS [LOW [HIGH]]]; - for standard input");
  app.add_option("--keys-at", o.keys_at, "seconds after the start at which the script begins")->check(CLI::Range(0.0, 3600.0))->capture_default_str();
  app.add_option("--key-ms", o.style.length_ms, "length of a key")->check(CLI::Range(20, 60000))->capture_default_str();
  app.add_option("--gap-ms", o.style.gap_ms, "pause after it")->check(CLI::Range(20, 60000))->capture_default_str();
  app.add_option("--level", o.style.low_dbm0, "level of the low tone, dBm0")->check(CLI::Range(-60.0, 0.0))->capture_default_str();
  app.add_option("--high-level", o.style.high_dbm0, "level of the high tone, dBm0")->check(CLI::Range(-60.0, 0.0))->capture_default_str();
  app.add_flag("--mix", o.style.mix, "the caller goes on speaking over the keys");
}

void AddSession(CLI::App& app, Options& o) {
  app.add_option("--cards", o.cards, "lines NUMBER MMYY CODE [POSTCODE]; - for standard input; made up without");
  app.add_option("--card-prefix", o.card_prefix, "made-up cards begin so, at most 8 digits")->capture_default_str();
  app.add_option("--card-length", o.card_length, "and have so many digits")->check(CLI::Range(12, 19))->capture_default_str();
  app.add_option("--amount", o.intent.amount_minor, "in minor units")->default_val(1999);
  app.add_option("--currency", o.intent.currency, "ISO 4217")->default_val("EUR");
  app.add_flag("!--authorise-only", o.intent.charge, "do not capture the money at once");
  app.add_flag("!--no-hash", o.end_fields, "do not end each field with '#'");
  app.add_option("--talk", o.talk, "seconds of talk before and after the keys")->check(CLI::Range(0.0, 600.0))->capture_default_str();
  app.add_option("--agent", o.agent, "name of the agent")->capture_default_str();
  app.add_option("--out", o.out, "folder for recordings (WAV, pcap)");
  app.add_option("--record", o.record, "of the first so many calls")->check(CLI::Range(0, 10000))->capture_default_str();
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Options options;
  CLI::App app("Places calls through a Flattone fleet: plays both sides, records both, prints JSON lines.", "call");
  AddFleet(app, options);
  AddCalls(app, options);
  AddSound(app, options);
  AddNetwork(app, options);
  AddKeys(app, options);
  AddSession(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  options.impairments.seed = options.seed;
  return options;
}

}  // namespace flattone::call
