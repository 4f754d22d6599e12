# Compiles SOURCE without linking and compares with EXPECTATION.
execute_process(COMMAND ${COMPILER} -std=c++20 -fsyntax-only -I${ROOT} -include ${PRELUDE} ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE output)
if(EXPECTATION STREQUAL "FAIL" AND result EQUAL 0)
  message(FATAL_ERROR "compiles, but must not")
elseif(EXPECTATION STREQUAL "PASS" AND NOT result EQUAL 0)
  message(FATAL_ERROR "does not compile, but must:\n${output}")
elseif(EXPECTATION STREQUAL "FAIL" AND output MATCHES "No such file or directory")
  message(FATAL_ERROR "fails for a missing file, not for the case:\n${output}")
endif()
