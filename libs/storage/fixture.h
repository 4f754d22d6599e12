// A scratch database, open: for the tests of this library.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "libs/storage/database.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"

namespace flattone::storage {

using testing::Backend;
using testing::Backends;
using testing::ScratchDatabase;

struct Fixture {
  explicit Fixture(Backend backend, Options options = {}) : scratch(backend) {
    auto opened = Database::Open(scratch.url(), std::move(options));
    REQUIRE(opened.ok());
    db = std::move(*opened);
  }
  void Script(const std::string& sql) {
    REQUIRE(db->Write([&](Transaction& tx) { return tx.Script(sql); }).ok());
  }
  int64_t Number(const std::string& sql) {
    int64_t number = -1;
    REQUIRE(db->Read([&](Transaction& tx) -> absl::Status {
              auto rows = tx.Query(sql);
              if (rows.ok() && !rows->empty()) number = rows->front().Int(0);
              return rows.status();
            }).ok());
    return number;
  }
  ScratchDatabase scratch;
  std::unique_ptr<Database> db;
};

}  // namespace flattone::storage
