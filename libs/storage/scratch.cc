#include "libs/storage/scratch.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/storage/database.h"
#include "libs/storage/postgresql_session.h"

extern char** environ;

namespace flattone::storage::testing {
namespace {

// The script keeps its server until its standard input closes, which the kernel does when this process
// dies, however it dies.
class Server {
 public:
  Server() {
    if (const char* given = std::getenv("FLATTONE_TEST_POSTGRES"); given != nullptr && *given != '\0') {
      base_ = given;
      return;
    }
    if (access(FLATTONE_POSTGRES_SCRATCH, X_OK) == 0) Start();
    FT_CHECK(!base_.empty() || std::getenv("FLATTONE_TEST_ALL") == nullptr,
             "PostgreSQL is not installed, and every test is asked for: tools/setup installs it");
    if (base_.empty()) std::fprintf(stderr, "skipped: PostgreSQL is not installed, only SQLite is tested\n");
  }
  ~Server() {
    if (pid_ <= 0) return;
    close(keep_);
    waitpid(pid_, nullptr, 0);
  }
  bool there() const { return !base_.empty(); }
  // The server's address with the database `name` put into it.
  std::string Url(const std::string& name) const {
    const size_t slash = base_.find('/', base_.find("//") + 2);
    const size_t query = base_.find('?');
    const std::string head = base_.substr(0, slash < query ? slash : query);
    return absl::StrCat(head, "/", name, query == std::string::npos ? "" : base_.substr(query));
  }
  void Run(const std::string& sql) const {
    auto session = OpenPostgresql(Url("postgres"), absl::Seconds(30));
    FT_CHECK(session.ok(), "the scratch PostgreSQL does not answer");
    const absl::Status status = (*session)->Script(sql);
    FT_CHECK(status.ok(), "the scratch PostgreSQL refused to create or drop a database");
  }

 private:
  void Start() {
    int in[2], out[2];
    FT_CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipe failed");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string path = FLATTONE_POSTGRES_SCRATCH;
    char* arguments[] = {path.data(), nullptr};
    const int code = posix_spawn(&pid_, path.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    FT_CHECK(code == 0, "tools/postgres-scratch could not be started");
    keep_ = in[1];
    for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) base_.push_back(c);
    close(out[0]);
  }

  std::string base_;
  pid_t pid_ = 0;
  int keep_ = -1;
};

const Server& TheServer() {
  static const Server server;
  return server;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Backend backend) {
  return out << (backend == Backend::kSqlite ? "SQLite" : "PostgreSQL");
}

std::vector<Backend> Backends() {
  if (TheServer().there()) return {Backend::kSqlite, Backend::kPostgresql};
  return {Backend::kSqlite};
}

ScratchDatabase::ScratchDatabase(Backend backend) {
  if (backend == Backend::kSqlite) {
    std::string pattern = (std::filesystem::temp_directory_path() / "flattone-db-XXXXXX").string();
    FT_CHECK(mkdtemp(pattern.data()) != nullptr, "mkdtemp failed");
    directory_ = pattern;
    url_ = absl::StrCat("sqlite:", directory_, "/test.db");
    return;
  }
  static std::atomic<int> next{0};
  name_ = absl::StrCat("ft_", getpid(), "_", next++);
  TheServer().Run(absl::StrCat("CREATE DATABASE ", name_));
  url_ = TheServer().Url(name_);
}

ScratchDatabase::~ScratchDatabase() {
  if (!directory_.empty()) std::filesystem::remove_all(directory_);
  if (!name_.empty()) TheServer().Run(absl::StrCat("DROP DATABASE IF EXISTS ", name_, " WITH (FORCE)"));
}

}  // namespace flattone::storage::testing
