#define CATCH_CONFIG_MAIN
#include "libs/testing/catch.h"
