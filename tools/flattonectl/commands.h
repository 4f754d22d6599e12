// What flattonectl can do, as a table: each command is one audited admin RPC.
#pragma once

#include <string>
#include <vector>

namespace flattone::ctl {

enum class Target { kSession, kGateway, kVault };

struct Argument {
  std::string flag;   // "name" for --name
  std::string path;   // field of the request, "tenant.name"
  std::string help;
  bool required = false;
  bool secret = false;  // map<string, bytes> entry from a file or standard input
};

struct Command {
  std::string group;   // "tenant"
  std::string name;    // "create"
  std::string help;
  Target target;
  std::string method;  // "flattone.session.v1.SessionAdminService.CreateTenant"
  std::vector<Argument> arguments;
  // Table output: the repeated field of the answer that holds the rows (empty: the answer is the row), its columns.
  std::string rows;
  std::vector<std::string> columns;
};

const std::vector<Command>& Commands();

}  // namespace flattone::ctl
