// Prints the OpenAPI document: `flattone-openapi > docs/openapi.json` after a change of the contract.
#include <cstdio>

#include "services/session-orchestration/rest/openapi.h"

int main() {
  std::fputs(flattone::session::rest::SessionOpenApiDocument().c_str(), stdout);
  return 0;
}
