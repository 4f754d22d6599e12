#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "libs/testing/catch.h"
#include "tools/callbox/cards.h"
#include "tools/callbox/engine.h"
#include "tools/callbox/rtcp.h"
#include "tools/callbox/sdp_text.h"
#include "tools/callbox/wav.h"

namespace flattone::call {
namespace {

std::shared_ptr<const std::vector<int16_t>> Ramp(int samples) {
  auto sound = std::make_shared<std::vector<int16_t>>();
  for (int i = 0; i < samples; ++i) sound->push_back(static_cast<int16_t>(8000 * std::sin(i * 0.05)));
  return sound;
}

double Level(const std::vector<int16_t>& samples, size_t from, size_t count, double hertz) {  // Goertzel, peak
  double re = 0, im = 0;
  for (size_t i = 0; i < count; ++i) {
    re += samples[from + i] * std::cos(2 * M_PI * hertz * static_cast<double>(i) / kRate);
    im += samples[from + i] * std::sin(2 * M_PI * hertz * static_cast<double>(i) / kRate);
  }
  return 2 * std::sqrt(re * re + im * im) / static_cast<double>(count);
}

std::vector<Packet> Run(Talker& talker, int moments) {
  std::vector<Packet> packets;
  for (int i = 0; i < moments; ++i) talker.Next(packets);
  return packets;
}

int Type(const Packet& packet) { return packet.bytes[1] & 0x7F; }
uint16_t Sequence(const Packet& packet) { return static_cast<uint16_t>(packet.bytes[2] << 8 | packet.bytes[3]); }

}  // namespace

TEST_CASE("G.711 codes are ITU-T's and decoding what was encoded stays within a step") {
  CHECK(Encode(Codec::kPcmu, 0) == 0xFF);
  CHECK(Encode(Codec::kPcmu, 32767) == 0x80);
  CHECK(Encode(Codec::kPcmu, -32768) == 0x00);
  CHECK(Encode(Codec::kPcma, 0) == 0xD5);
  CHECK(Decode(Codec::kPcmu, 0x80) == 32124);
  for (Codec codec : {Codec::kPcmu, Codec::kPcma})
    for (int code = 0; code < 256; ++code) {
      const int16_t sample = Decode(codec, static_cast<uint8_t>(code));
      CHECK(Decode(codec, Encode(codec, sample)) == sample);
    }
}

TEST_CASE("a WAV file comes back as written, another format is refused by name") {
  const std::string path = std::filesystem::temp_directory_path() / "flattone-callbox-test.wav";
  REQUIRE(WriteWav(path, *Ramp(1000)).ok());
  CHECK(*ReadWav(path) == *Ramp(1000));
  std::filesystem::remove(path);
  CHECK(ReadWav(path).status().code() == absl::StatusCode::kNotFound);
  CHECK(ParseWav(std::vector<uint8_t>(40, 'x'), "x.wav").status().message() == "x.wav is not a RIFF/WAVE file");
}

TEST_CASE("a key script keeps times, lengths and levels, and names the line that is wrong") {
  const auto script = ParseKeyScript("// two keys\n0 5\n250 # 40 -20 -14\n", {});
  REQUIRE(script.ok());
  REQUIRE(script->size() == 2);
  CHECK((*script)[1].at == 2000);
  CHECK((*script)[1].length == 320);
  CHECK((*script)[1].low_dbm0 == -20);
  CHECK((*script)[1].high_dbm0 == -14);
  CHECK(ParseKeyScript("0 5\n50 6\n", {}).status().message() ==
        "key script, line 2: starts before the key above it has ended");
  CHECK_FALSE(ParseKeyScript("0 X\n", {}).ok());
  CHECK_FALSE(ParseKeyScript("0 5 0\n", {}).ok());
  CHECK_FALSE(Sequence("12E", {}).ok());
}

TEST_CASE("in-band keys carry both tones at their levels and cut the microphone") {
  Talker talker({}, Ramp(8000));
  talker.Press(*Sequence("5", {.length_ms = 100, .low_dbm0 = -9, .high_dbm0 = -12}), 0);
  Listener ear({.record = true});
  ear.Anchor(1, 0);
  for (const Packet& packet : Run(talker, 10)) ear.OnPacket(packet.bytes, 0);
  REQUIRE(ear.samples().size() == 1600);
  CHECK(Level(ear.samples(), 0, 800, 770) == Approx(PeakOf(-9)).epsilon(0.03));
  CHECK(Level(ear.samples(), 0, 800, 1336) == Approx(PeakOf(-12)).epsilon(0.03));
  const double voice = 0.05 * kRate / (2 * M_PI);
  CHECK(Level(ear.samples(), 0, 800, voice) < 100);
  CHECK(Level(ear.samples(), 800, 800, voice) > 7000);
  REQUIRE(talker.pressed().size() == 1);
  CHECK(talker.pressed()[0].length == 800);
}

TEST_CASE("an RFC 4733 key keeps its timestamp, grows, ends three times, and replaces the sound") {
  Talker talker({.transport = KeyTransport::kRfc4733, .first_sequence = 65534}, Ramp(8000));
  talker.Press(*Sequence("#", {.length_ms = 60}), 0);
  const std::vector<Packet> packets = Run(talker, 5);
  REQUIRE(packets.size() == 7);  // two, then the end three times, then sound twice
  for (int i = 0; i < 5; ++i) {
    CHECK(Type(packets[static_cast<size_t>(i)]) == 101);
    CHECK(packets[static_cast<size_t>(i)].bytes[12] == 11);
    CHECK(Sequence(packets[static_cast<size_t>(i)]) == static_cast<uint16_t>(65534 + i));
    CHECK((packets[static_cast<size_t>(i)].bytes[13] >> 7 == 1) == (i >= 2));
  }
  CHECK(packets[0].bytes[1] >> 7 == 1);
  CHECK(packets[1].bytes[1] >> 7 == 0);
  CHECK((packets[4].bytes[14] << 8 | packets[4].bytes[15]) == 480);
  CHECK(Type(packets[5]) == 0);

  SECTION("and the recording has it as a tone") {
    Listener ear({.record = true});
    ear.Anchor(1, 0);
    for (const Packet& packet : packets) ear.OnPacket(packet.bytes, 0);
    CHECK(Level(ear.samples(), 0, 480, 941) > 5000);
    CHECK(ear.stats().event_packets == 5);
  }
}

TEST_CASE("both at once sends events beside the tones") {
  Talker talker({.transport = KeyTransport::kBoth}, nullptr);
  talker.Press(*Sequence("1", {.length_ms = 40}), 0);
  const std::vector<Packet> packets = Run(talker, 2);
  int audio = 0, events = 0;
  for (const Packet& packet : packets) ++(Type(packet) == 0 ? audio : events);
  CHECK(audio == 2);
  CHECK(events == 4);
}

TEST_CASE("a fast clock shortens the wait between packets") {
  Talker talker({.drift_ppm = 100}, nullptr);
  std::vector<Packet> packets;
  CHECK(talker.Next(packets) == 19998000);
}

TEST_CASE("the network loses, doubles and turns around the share that was asked for, the same for one seed") {
  const Impairments bad{.loss = 0.05, .loss_burst = 3, .jitter_ms = 30, .reorder = 0.02, .duplicate = 0.03, .seed = 7};
  Network first(bad), second(bad);
  std::vector<int64_t> a, b;
  const int packets = 100000;
  for (int i = 0; i < packets; ++i) {
    first.Plan(i * 20000000LL, 20000000, a);
    second.Plan(i * 20000000LL, 20000000, b);
  }
  CHECK(a == b);
  CHECK(static_cast<double>(first.lost()) / packets == Approx(0.05).margin(0.006));
  CHECK(static_cast<double>(first.duplicated()) / packets == Approx(0.03 * 0.95).margin(0.003));
  CHECK(static_cast<double>(first.reordered()) / packets == Approx(0.02 * 0.95).margin(0.003));
}

TEST_CASE("the recording lies where timestamps say, whatever was lost, doubled or late, across the wrap") {
  Talker talker({.first_sequence = 65530, .first_timestamp = 0xFFFFFC00u}, Ramp(20000));
  const std::vector<Packet> packets = Run(talker, 20);
  Listener whole({.record = true}), patchy({.record = true});
  whole.Anchor(1, 0xFFFFFC00u);
  patchy.Anchor(1, 0xFFFFFC00u);
  for (const Packet& packet : packets) whole.OnPacket(packet.bytes, 0);
  for (size_t i : {0, 1, 3, 2, 4, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}) patchy.OnPacket(packets[i].bytes, 0);
  REQUIRE(whole.samples().size() == 3200);
  REQUIRE(patchy.samples().size() == 3200);
  for (size_t i = 0; i < 3200; ++i)
    CHECK(patchy.samples()[i] == (i >= 800 && i < 1120 ? 0 : whole.samples()[i]));
  CHECK(patchy.stats().lost == 2);
  CHECK(patchy.stats().duplicates == 1);
  CHECK(patchy.stats().reordered == 1);
  CHECK_FALSE(patchy.filled()[900]);
}

TEST_CASE("another stream in mid-call is placed by its arrival") {
  Listener ear({.record = true});
  Talker one({.ssrc = 1}, nullptr), two({.ssrc = 2, .first_timestamp = 777}, Ramp(8000));
  ear.OnPacket(Run(one, 1)[0].bytes, 1000000000);
  ear.OnPacket(Run(two, 1)[0].bytes, 1500000000);
  CHECK(ear.stats().ssrc_changes == 1);
  CHECK(ear.samples().size() == 4000 + 160);
}

TEST_CASE("malformed packets are counted, not read") {
  Listener ear({.record = true});
  ear.OnPacket(std::vector<uint8_t>{0x80, 0}, 0);
  std::vector<uint8_t> long_csrc(20, 0);
  long_csrc[0] = 0x8F;
  ear.OnPacket(long_csrc, 0);
  CHECK(ear.stats().malformed == 2);
  CHECK(ear.stats().packets == 0);
}

TEST_CASE("a capture that was written is replayed byte by byte at its pace") {
  const std::string path = std::filesystem::temp_directory_path() / "flattone-callbox-test.pcap";
  Talker talker({}, Ramp(8000));
  const std::vector<Packet> packets = Run(talker, 5);
  for (const char* host : {"127.0.0.1", "::1"}) {
    const Address from = *MakeAddress(host, 4000), to = *MakeAddress(host, 5000);
    {
      auto file = PcapWriter::Create(path);
      REQUIRE(file.ok());
      for (size_t i = 0; i < packets.size(); ++i)
        (*file)->Add(1700000000000000000 + static_cast<int64_t>(i) * 20000123, from.storage, to.storage, packets[i].bytes);
    }
    auto read = ReadRtp(path, 5000);
    REQUIRE(read.ok());
    REQUIRE(read->size() == 5);
    Replay replay(std::make_shared<const std::vector<Captured>>(std::move(*read)));
    std::vector<Packet> again;
    CHECK(replay.Next(again) == 20000123);
    while (replay.Next(again) >= 0) {
    }
    REQUIRE(again.size() == 5);
    for (size_t i = 0; i < 5; ++i) CHECK(again[i].bytes == packets[i].bytes);
    CHECK_FALSE(ReadRtp(path, 5001).ok());
  }
  std::filesystem::remove(path);
}

TEST_CASE("a sender report comes back as written, and its counts are held against what was heard") {
  SenderReport report{.ssrc = 7, .wall_ns = 1700000000500000000, .rtp_timestamp = 99, .packets = 50, .octets = 8000};
  report.about = ReceptionReport{.ssrc = 8, .lost = -2, .highest_sequence = 0x1FFFE, .jitter = 5};
  std::vector<uint8_t> bytes = WriteCompound(report);
  const auto read = ReadCompound(bytes);
  REQUIRE(read.has_value());
  CHECK(read->ssrc == 7);
  CHECK(std::abs(read->wall_ns - report.wall_ns) < 2);
  CHECK(read->packets == 50);
  CHECK(read->about->lost == -2);
  CHECK(read->about->highest_sequence == 0x1FFFE);
  RtcpStats stats;
  stats.Heard(*read, 48, 0x0001);
  CHECK(stats.worst_count_gap == 2);
  CHECK(stats.worst_sequence_gap == 3);
  bytes.resize(40);
  CHECK_FALSE(ReadCompound(bytes).has_value());
}

TEST_CASE("SDP names what is offered, and the relay's address is found") {
  const std::string sdp = MakeSdp({.host = "127.0.0.1", .port = 4000, .event_payload_type = 101});
  CHECK(sdp.find("m=audio 4000 RTP/AVP 0 101\r\n") != std::string::npos);
  CHECK(MediaAddress(sdp)->port() == 4000);
  CHECK(MakeSdp({.host = "::1", .port = 4000}).find("IN IP6 ::1") != std::string::npos);
  CHECK_FALSE(MediaAddress("v=0\r\nm=audio 0 RTP/AVP 0\r\n").ok());
}

TEST_CASE("made-up cards pass Luhn, differ, and repeat with their seed; wrong lines are named without their content") {
  std::set<std::string> numbers;
  for (uint64_t i = 0; i < 100; ++i) {
    const Card card = MakeCard("42", 16, 3, i);
    CHECK(card.number.size() == 16);
    CHECK(CheckDigit(card.number.substr(0, 15)) == card.number[15]);
    numbers.insert(card.number);
  }
  CHECK(numbers.size() == 100);
  CHECK(MakeCard("42", 16, 3, 5).number == MakeCard("42", 16, 3, 5).number);
  CHECK(CheckDigit("7992739871") == '3');
  const auto wrong = ParseCards("12345 1230 999\n");
  CHECK(wrong.status().message().find("12345") == absl::string_view::npos);
  const std::vector<std::string> fields = FieldKeys(MakeCard("42", 16, 3, 0), true);
  CHECK(fields[0].size() + fields[1].size() + fields[2].size() == 26);
}

TEST_CASE("two legs through the engine hear each other's packets, on own and on shared sockets") {
  for (int shared : {0, 2}) {
    auto engine = Engine::Create("127.0.0.1", shared);
    REQUIRE(engine.ok());
    auto voice = Ramp(8000);
    auto first = std::make_unique<Talker>(TalkerOptions{.ptime_ms = 10, .ssrc = 11}, voice);
    auto second = std::make_unique<Talker>(TalkerOptions{.ptime_ms = 10, .ssrc = 22}, voice);
    Leg a(std::move(first), {}, {.record = true}), b(std::move(second), {}, {.record = true});
    a.other = &b;
    b.other = &a;
    a.port = *(*engine)->OpenPort();
    b.port = *(*engine)->OpenPort();
    a.remote = b.port->socket->local();
    b.remote = a.port->socket->local();
    (*engine)->Invoke([&] {
      (*engine)->Start(a, 0);
      (*engine)->Start(b, 1000000);
    });
    int64_t heard = 0;
    while (heard < 10) (*engine)->Invoke([&] { heard = std::min(a.heard.stats().packets, b.heard.stats().packets); });
    (*engine)->Invoke([&] {
      (*engine)->Stop(a);
      (*engine)->Stop(b);
    });
    CHECK(a.heard.ssrc() == 22);
    CHECK(b.delay_plain.count() >= 10);
    CHECK(b.delay_plain.Quantile(0.5) < 50);
    for (int i = 0; i < 800; ++i)
      CHECK(b.heard.samples()[static_cast<size_t>(i)] == Decode(Codec::kPcmu, Encode(Codec::kPcmu, (*voice)[static_cast<size_t>(i)])));
  }
}

}  // namespace flattone::call
