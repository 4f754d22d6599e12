// An answer as JSON (field names as in the protos) or as a table of chosen columns.
#pragma once

#include <string>

#include <google/protobuf/message.h>

#include "tools/flattonectl/commands.h"

namespace flattone::ctl {

std::string AsJson(const google::protobuf::Message& answer);

// A header and one line per row; a note when more pages follow.
std::string AsTable(const google::protobuf::Message& answer, const Command& command);

}  // namespace flattone::ctl
