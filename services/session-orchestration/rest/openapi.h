// The OpenAPI 3.1 document of a service, made from the same descriptors as the routes; the protos' comments are its
// descriptions (a descriptor set with source information is linked in).
#pragma once

#include <string>

#include "services/session-orchestration/rest/routes.h"

namespace flattone::session::rest {

// Indented JSON, the same bytes for the same contract.
std::string OpenApiDocument(const Routes& routes);

// The same for PublicServices(), for flattone-openapi and the test that compares docs/openapi.json.
std::string SessionOpenApiDocument();

}  // namespace flattone::session::rest
