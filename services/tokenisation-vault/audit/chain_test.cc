#include <thread>

#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

using storage::testing::Backends;

struct Rig {
  Rig() : world(GENERATE(from_range(Backends()))), node(world, "127.0.0.1:1") {
    for (int i = 1; i <= 5; ++i) {
      const std::string object = "tok_" + std::to_string(i);
      REQUIRE(node.vault->audit().Record({"gateway-adapter", "card.open", i % 2 ? "ten_a" : "ten_b", object, "ok", "here"}).ok());
    }
  }
  void Sql(const std::string& sql) {
    REQUIRE(node.database->Write([&](storage::Transaction& tx) { return tx.Script(sql); }).ok());
  }
  AuditVerdict Verify() { return node.vault->audit().Verify().value(); }
  World world;
  Node node;
};

TEST_CASE("an untouched chain verifies, across restarts and with what another replica wrote") {
  Rig rig;
  CHECK(rig.Verify().intact);
  CHECK(rig.Verify().records == 5);
  Node other(rig.world, "127.0.0.1:2");
  REQUIRE(other.vault->audit().Record({"operator", "key.rotate", "ten_a", "", "ok", "there"}).ok());
  REQUIRE(rig.node.vault->audit().Record({"operator", "key.rotate", "ten_b", "", "ok", "here"}).ok());
  CHECK(rig.Verify().intact);
  CHECK(rig.Verify().records == 7);
  CHECK(other.vault->audit().public_key() == rig.node.vault->audit().public_key());
}

TEST_CASE("every column of a record that is changed is found, at its sequence") {
  Rig rig;
  SECTION("actor") { rig.Sql("UPDATE audit SET actor = 'gateway-adapteR' WHERE sequence = 3"); }
  SECTION("action") { rig.Sql("UPDATE audit SET action = 'card.peek' WHERE sequence = 3"); }
  SECTION("tenant") { rig.Sql("UPDATE audit SET tenant_id = 'ten_b' WHERE sequence = 3"); }
  SECTION("object") { rig.Sql("UPDATE audit SET object = 'tok_4' WHERE sequence = 3"); }
  SECTION("result") { rig.Sql("UPDATE audit SET result = 'opens_used' WHERE sequence = 3"); }
  SECTION("origin") { rig.Sql("UPDATE audit SET origin = '' WHERE sequence = 3"); }
  SECTION("time") { rig.Sql("UPDATE audit SET time_ms = time_ms + 1 WHERE sequence = 3"); }
  SECTION("signature") { rig.Sql("UPDATE audit SET signature = hash WHERE sequence = 3"); }
  SECTION("removed") { rig.Sql("DELETE FROM audit WHERE sequence = 3"); }
  const AuditVerdict verdict = rig.Verify();
  CHECK_FALSE(verdict.intact);
  CHECK(verdict.broken_sequence == 3);
  CHECK_FALSE(verdict.problem.empty());
}

TEST_CASE("two records that changed places are found") {
  Rig rig;
  rig.Sql("UPDATE audit SET sequence = 99 WHERE sequence = 2; UPDATE audit SET sequence = 2 WHERE sequence = 4; "
          "UPDATE audit SET sequence = 4 WHERE sequence = 99");
  CHECK(rig.Verify().broken_sequence == 2);
}

TEST_CASE("a cut end is found by the head row, and without it by what was verified before") {
  Rig rig;
  SECTION("rows only") {
    rig.Sql("DELETE FROM audit WHERE sequence >= 4");
    CHECK(rig.Verify().broken_sequence == 4);
  }
  SECTION("head too") {
    REQUIRE(rig.Verify().intact);
    rig.Sql("DELETE FROM audit WHERE sequence >= 4; UPDATE audit_head SET sequence = 3, hash = (SELECT hash FROM audit WHERE sequence = 3)");
    CHECK(rig.Verify().broken_sequence == 4);
  }
}

TEST_CASE("a record that is put in with a right hash lacks the vault's signature") {
  Rig rig;
  AuditRecord forged;
  forged.sequence = 6;
  forged.time_ms = 1;
  forged.entry = {"nobody", "card.open", "ten_a", "tok_1", "ok", ""};
  const auto last = rig.node.vault->audit().List("", 4, 1);
  forged.hash = AuditHash(forged, last->front().hash);
  REQUIRE(rig.node.database->Write([&](storage::Transaction& tx) -> absl::Status {
            auto done = tx.Execute("INSERT INTO audit VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                                   {forged.sequence, forged.time_ms, forged.entry.actor, forged.entry.action, forged.entry.tenant,
                                    forged.entry.object, forged.entry.result, forged.entry.origin, storage::Blob{forged.hash},
                                    storage::Blob{last->front().signature}});
            if (!done.ok()) return done.status();
            return tx.Execute("UPDATE audit_head SET sequence = 6, hash = $1", {storage::Blob{forged.hash}}).status();
          }).ok());
  CHECK(rig.Verify().broken_sequence == 6);
}

TEST_CASE("records are listed in pages, and by tenant") {
  Rig rig;
  auto all = rig.node.vault->audit().List("", 0, 3);
  REQUIRE(all.ok());
  CHECK(all->size() == 3);
  CHECK(all->back().sequence == 3);
  auto tenant = rig.node.vault->audit().List("ten_b", 0, 10);
  CHECK(tenant->size() == 2);
  CHECK(tenant->front().entry.object == "tok_2");
}

TEST_CASE("many writers on two replicas leave one chain") {
  World world(GENERATE(from_range(Backends())));
  Node one(world, "127.0.0.1:1"), two(world, "127.0.0.1:2");
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        Node& node = t % 2 ? one : two;
        if (!node.vault->audit().Record({"a", "card.open", "ten_a", std::to_string(t), "ok", ""}).ok()) ++failed;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  const auto verdict = one.vault->audit().Verify();
  CHECK(verdict->intact);
  CHECK(verdict->records == 60);
}

}  // namespace
}  // namespace flattone::vault
