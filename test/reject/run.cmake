# Runs one case of this folder: cmake -DCOMPILER=… -DINCLUDE=… -DCASE=… -P run.cmake
#
# The case passes if it does not compile, and the compiler's output holds the words of the case's
# first line, `// expect: words`. The positive control comes first: with PERSIST_REJECT_CONTROL
# defined the same file must compile, or the case could fail for any other reason.

file(STRINGS ${CASE} first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${CASE}: the first line is not `// expect: words`")
endif()
string(REPLACE "\\;" ";" words "${CMAKE_MATCH_1}")  # as it stands in the file

set(compile ${COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -I${INCLUDE} ${CASE})

execute_process(COMMAND ${compile} -DPERSIST_REJECT_CONTROL
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${CASE}: the positive control does not compile:\n${output}")
endif()

execute_process(COMMAND ${compile}
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "${CASE}: it compiles, and must not")
endif()
string(FIND "${output}" "${words}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${CASE}: the output does not hold the words `${words}`:\n${output}")
endif()
