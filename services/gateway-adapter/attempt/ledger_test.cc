#include "services/gateway-adapter/attempt/ledger.h"

#include <atomic>
#include <thread>

#include "flattone/gateway/v1/gateway.pb.h"
#include "libs/base/error.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/gateway-adapter/attempt/schema.h"

namespace flattone::gateway {
namespace {

using storage::testing::Backend;
using storage::testing::Backends;

struct Replica {
  Replica(const std::string& url, const Clock& clock, uint64_t seed) : random(seed) {
    auto opened = storage::Database::Open(url, {});
    REQUIRE(opened.ok());
    db = std::move(*opened);
    REQUIRE(storage::Migrate(*db, Migrations()).ok());
    outbox = std::make_unique<Outbox>(*db, absl::Milliseconds(20));
    ledger = std::make_unique<Ledger>(*db, *outbox, clock, random, absl::Seconds(10));
    REQUIRE(ledger->RenewLease().ok());
  }
  testing::SeededRandom random;
  std::unique_ptr<storage::Database> db;
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<Ledger> ledger;
};

struct Fixture {
  explicit Fixture(Backend backend) : scratch(backend), one(scratch.url(), clock, 1), two(scratch.url(), clock, 2) {
    REQUIRE(one.db->Write([](storage::Transaction& tx) {
              return tx.Execute("INSERT INTO account (account_id, tenant_id, mode, psp, fields, sealed, key_version, created_us, updated_us) "
                                "VALUES ('psa_1', 'ten_a', 1, 'sandbox', '', $1, 1, 0, 0)", {storage::Blob{"x"}}).status();
            }).ok());
  }
  static NewAttempt Authorise(const std::string& payment, const std::string& operation_id, int64_t amount = 1000) {
    NewAttempt wanted;
    wanted.tenant_id = "ten_a";
    wanted.payment_id = payment;
    wanted.operation_id = operation_id;
    wanted.amount_minor = amount;
    wanted.currency = "EUR";
    wanted.token_id = "tok_1";
    return wanted;
  }
  static NewAttempt Other(Operation operation, const std::string& payment, const std::string& operation_id, int64_t amount = 0) {
    NewAttempt wanted;
    wanted.operation = operation;
    wanted.tenant_id = "ten_a";
    wanted.payment_id = payment;
    wanted.operation_id = operation_id;
    wanted.amount_minor = amount;
    return wanted;
  }
  Attempt Begin(const NewAttempt& wanted) {
    auto begun = one.ledger->Begin(wanted);
    REQUIRE(begun.ok());
    REQUIRE(begun->fresh);
    return begun->attempt;
  }
  Attempt Answer_(const Attempt& a, Answer answer = Answer::kApproved) {
    Event event{.kind = EventKind::kAnswered, .epoch = a.epoch, .answer = answer};
    event.psp_reference = "spp_1";
    auto after = one.ledger->Write(a.attempt_id, event);
    REQUIRE(after.ok());
    return *after;
  }
  std::vector<OutcomeRow> Outcomes(int64_t after = 0) {
    auto rows = two.outbox->Read(after, 1000, absl::ZeroDuration());
    REQUIRE(rows.ok());
    return *rows;
  }
  storage::testing::ScratchDatabase scratch;
  testing::FakeClock clock;
  Replica one, two;
};

std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail ? detail->code : std::string(status.message());
}

TEST_CASE("An attempt is durable before it is sent, and its operation_id finds it again on any replica") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt begun = f.Begin(Fixture::Authorise("pay_1", "op_1"));
  CHECK(begun.state == State::kSending);
  CHECK(begun.owner == f.one.ledger->owner());
  CHECK(begun.account_id == "psa_1");
  CHECK(begun.idempotency_key.size() == 30);
  auto again = f.two.ledger->Begin(Fixture::Authorise("pay_1", "op_1"));
  REQUIRE(again.ok());
  CHECK_FALSE(again->fresh);
  CHECK(again->attempt.attempt_id == begun.attempt_id);
  CHECK(again->attempt.idempotency_key == begun.idempotency_key);
  CHECK(CodeOf(f.two.ledger->Begin(Fixture::Authorise("pay_1", "op_1", 999)).status()) == "operation_reused");
  CHECK(CodeOf(f.two.ledger->Begin(Fixture::Authorise("pay_1", "op_2")).status()) == "attempt_live");
}

TEST_CASE("Of many double submits on two replicas one attempt is begun, whatever their keys") {
  Fixture f(GENERATE(from_range(Backends())));
  const bool same_key = GENERATE(true, false);
  std::atomic<int> fresh{0}, replayed{0}, live{0}, other{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      auto begun = (t % 2 ? f.one : f.two).ledger->Begin(Fixture::Authorise("pay_1", same_key ? "op" : "op_" + std::to_string(t)));
      if (begun.ok()) ++(begun->fresh ? fresh : replayed);
      else if (CodeOf(begun.status()) == "attempt_live") ++live;
      else ++other;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(fresh == 1);
  CHECK(replayed == (same_key ? 7 : 0));
  CHECK(live == (same_key ? 0 : 7));
  CHECK(other == 0);
}

TEST_CASE("The index alone keeps a second live attempt out") {
  Fixture f(GENERATE(from_range(Backends())));
  f.Begin(Fixture::Authorise("pay_1", "op_1"));
  const absl::Status status = f.one.db->Write([](storage::Transaction& tx) {
    return tx.Execute("UPDATE attempt SET operation_id = 'x'").ok()
               ? tx.Execute("INSERT INTO attempt SELECT 'att_2', tenant_id, payment_id, 'y', operation, amount_minor, currency, mode, "
                            "capture_now, order_reference, 4, answer, instruction, captured, void_if_approved, void_operation_id, version, "
                            "psp, account_id, 'other-key', psp_reference, target_reference, refunded_before_minor, authorisation_code, raw_code, owner, epoch, "
                            "token_id, vault_address, brand, last_four, created_us, updated_us, unknown_us, ask_at_us, asked, wipe, traceparent, 0, 0 FROM attempt").status()
               : absl::InternalError("update");
  });
  CHECK(absl::IsAlreadyExists(status));
}

TEST_CASE("A lost process's attempt becomes UNKNOWN, and the process can write neither NOT_SENT nor send on") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Begin(Fixture::Authorise("pay_1", "op_1"));
  CHECK(f.two.ledger->ExpireLeases().value_or(-1) == 0);
  f.clock.Advance(absl::Seconds(11));
  REQUIRE(f.two.ledger->RenewLease().ok());
  CHECK(f.two.ledger->ExpireLeases().value_or(-1) == 1);
  CHECK(f.two.ledger->Find("ten_a", a.attempt_id)->state == State::kUnknown);
  for (const EventKind kind : {EventKind::kNotSent, EventKind::kCheckpoint, EventKind::kNoAnswer}) {
    CHECK(CodeOf(f.one.ledger->Write(a.attempt_id, {.kind = kind, .epoch = a.epoch}).status()) == "attempt_taken_over");
  }
  // Its real answer is the truth all the same.
  CHECK(f.Answer_(a).state == State::kAnswered);
}

TEST_CASE("A process that renews its lease keeps its attempts") {
  Fixture f(GENERATE(from_range(Backends())));
  f.Begin(Fixture::Authorise("pay_1", "op_1"));
  for (int i = 0; i < 5; ++i) {
    f.clock.Advance(absl::Seconds(6));
    REQUIRE(f.one.ledger->RenewLease().ok());
    CHECK(f.two.ledger->ExpireLeases().value_or(-1) == 0);
  }
}

TEST_CASE("Outcomes are numbered without gaps in commit order, also under rollbacks and two replicas") {
  Fixture f(GENERATE(from_range(Backends())));
  std::vector<Attempt> attempts;
  for (int i = 0; i < 24; ++i) attempts.push_back(f.Begin(Fixture::Authorise("pay_" + std::to_string(i), "op_" + std::to_string(i))));
  std::atomic<bool> done{false};
  std::atomic<int> gaps{0};
  std::thread reader([&] {
    int64_t cursor = 0;
    while (cursor < 24) {
      auto rows = f.two.outbox->Read(cursor, 5, absl::Milliseconds(50));
      if (!rows.ok()) break;
      for (const OutcomeRow& row : *rows) {
        if (row.position != cursor + 1) ++gaps;
        cursor = row.position;
      }
      if (rows->empty() && done) break;
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      Ledger& ledger = *(t % 2 ? f.one : f.two).ledger;
      for (size_t i = static_cast<size_t>(t); i < attempts.size(); i += 4) {
        Event event{.kind = EventKind::kAnswered, .epoch = 1, .answer = Answer::kDeclined};
        CHECK(absl::IsInternal(ledger.Write(attempts[i].attempt_id, event, [](storage::Transaction& tx, Attempt& a) {
          (void)Outbox::Append(tx, a);
          return absl::InternalError("rolled back");
        }).status()));
        CHECK(ledger.Write(attempts[i].attempt_id, event).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  CHECK(gaps == 0);
  const auto all = f.Outcomes();
  REQUIRE(all.size() == 24);
  v1::Attempt message;
  REQUIRE(message.ParseFromString(all[0].body));
  CHECK(message.outcome() == v1::OUTCOME_ANSWERED);
  CHECK(message.answer() == v1::ANSWER_DECLINED);
  CHECK(message.version() == 2);
}

TEST_CASE("While a lower-numbered transaction is open no reader sees a higher number") {
  if (Backends().size() < 2) return;  // SQLite has one writer anyway
  Fixture f(Backend::kPostgresql);
  const Attempt a = f.Begin(Fixture::Authorise("pay_1", "op_1")), b = f.Begin(Fixture::Authorise("pay_2", "op_2"));
  std::atomic<bool> held{false}, release{false};
  const Event declined{.kind = EventKind::kAnswered, .epoch = 1, .answer = Answer::kDeclined};
  std::thread first([&] {
    REQUIRE(f.one.db->Write([&](storage::Transaction& tx) -> absl::Status {
              absl::Status status = Outbox::Append(tx, a);
              held = true;
              while (!release) std::this_thread::yield();
              return status;
            }).ok());
  });
  while (!held) std::this_thread::yield();
  std::atomic<bool> second_done{false};
  std::thread second([&] {
    REQUIRE(f.two.ledger->Write(b.attempt_id, declined).ok());
    second_done = true;
  });
  for (int i = 0; i < 10; ++i) CHECK(f.Outcomes().empty());
  CHECK_FALSE(second_done);
  release = true;
  first.join();
  second.join();
  const auto all = f.Outcomes();
  REQUIRE(all.size() == 2);
  CHECK(all[0].position == 1);
  CHECK(all[1].position == 2);
}

TEST_CASE("A void during a live authorisation marks it; its operation_id leads to the mark again") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Begin(Fixture::Authorise("pay_1", "op_1"));
  for (int i = 0; i < 2; ++i) {
    auto marked = f.two.ledger->Begin(Fixture::Other(Operation::kVoid, "pay_1", "op_void"));
    REQUIRE(marked.ok());
    CHECK_FALSE(marked->fresh);
    CHECK(marked->attempt.attempt_id == a.attempt_id);
    CHECK(marked->attempt.void_if_approved);
    CHECK(marked->attempt.version == 2);
  }
  CHECK(f.one.ledger->ClaimToVoid(10)->empty());
  f.Answer_(a);
  REQUIRE(f.one.ledger->ClaimToVoid(10)->size() == 1);
  const Attempt gone = f.Begin(Fixture::Other(Operation::kVoid, "pay_1", "void-x"));
  CHECK(gone.target_reference == "spp_1");
  f.clock.Advance(absl::Hours(2));
  CHECK(f.one.ledger->ClaimToVoid(10)->empty());
  CHECK(f.Outcomes().size() == 2);
}

TEST_CASE("Refunds on two replicas at once never exceed what was captured") {
  Fixture f(GENERATE(from_range(Backends())));
  NewAttempt charge = Fixture::Authorise("pay_1", "op_1");
  charge.capture_now = true;
  const Attempt a = f.Begin(charge);
  Event event{.kind = EventKind::kAnswered, .epoch = 1, .answer = Answer::kApproved};
  event.captured = true;
  REQUIRE(f.one.ledger->Write(a.attempt_id, event).ok());
  std::atomic<int64_t> refunded{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      Ledger& ledger = *(t % 2 ? f.one : f.two).ledger;
      auto begun = ledger.Begin(Fixture::Other(Operation::kRefund, "pay_1", "ref_" + std::to_string(t), 400));
      if (!begun.ok()) return;
      CHECK(ledger.Write(begun->attempt.attempt_id, {.kind = EventKind::kAnswered, .epoch = 1, .answer = Answer::kApproved}).ok());
      refunded += begun->attempt.amount_minor;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(refunded <= 1000);
  auto left = f.one.ledger->Begin(Fixture::Other(Operation::kRefund, "pay_1", "ref_rest"));
  REQUIRE(left.ok());
  CHECK(left->attempt.amount_minor == 1000 - refunded);
  CHECK(left->attempt.refunded_before_minor == refunded);
}

TEST_CASE("A due question goes to one replica only, and comes again if that replica dies") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Begin(Fixture::Authorise("pay_1", "op_1"));
  REQUIRE(f.one.ledger->Write(a.attempt_id, {.kind = EventKind::kNoAnswer, .epoch = 1}).ok());
  CHECK(f.one.ledger->ClaimDue(10, absl::Minutes(3))->empty());
  f.clock.Advance(absl::Seconds(2));
  CHECK(f.one.ledger->ClaimDue(10, absl::Minutes(3))->size() == 1);
  CHECK(f.two.ledger->ClaimDue(10, absl::Minutes(3))->empty());
  f.clock.Advance(absl::Minutes(3));
  CHECK(f.two.ledger->ClaimDue(10, absl::Minutes(3))->size() == 1);
}

TEST_CASE("Another tenant's attempts are not there, and a tenant without an account cannot pay") {
  Fixture f(GENERATE(from_range(Backends())));
  const Attempt a = f.Begin(Fixture::Authorise("pay_1", "op_1"));
  CHECK(absl::IsNotFound(f.one.ledger->Find("ten_b", a.attempt_id).status()));
  CHECK(f.one.ledger->OfPayment("ten_b", "pay_1")->empty());
  NewAttempt wanted = Fixture::Authorise("pay_9", "op_1");
  wanted.tenant_id = "ten_b";
  CHECK(CodeOf(f.one.ledger->Begin(wanted).status()) == "no_psp_account");
  wanted.tenant_id = "ten_a";
  wanted.operation_id = "op_9";
  wanted.mode = Mode::kLive;
  CHECK(CodeOf(f.one.ledger->Begin(wanted).status()) == "no_psp_account");
}

}  // namespace
}  // namespace flattone::gateway
