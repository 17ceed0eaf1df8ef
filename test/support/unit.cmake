# Makes one unit of several test files: cmake -P unit.cmake OUT DIR ALONE FILE…
#
# What the files include comes first; then each file's text stands in a namespace of its own, where
# its includes find nothing left to do and its names meet no other file's. A file with a line that
# matches ALONE cannot stand there. FILE is as seen from DIR.

math(EXPR last "${CMAKE_ARGC} - 1")
set(out ${CMAKE_ARGV3})
set(dir ${CMAKE_ARGV4})
set(alone "${CMAKE_ARGV5}")
set(includes "")
set(bodies "")
foreach(i RANGE 6 ${last})
  set(file ${CMAKE_ARGV${i}})
  get_filename_component(folder ${file} DIRECTORY)
  file(STRINGS ${dir}/${file} lines REGEX "${alone}" LIMIT_COUNT 1)
  if(lines)
    message(FATAL_ERROR "${file} must be a unit of its own now: configure again")
  endif()
  file(STRINGS ${dir}/${file} lines REGEX "^#include ")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^#include [<\"]([^>\"]+)[>\"].*$" "\\1" header "${line}")
    if(line MATCHES "^#include \"" AND EXISTS ${dir}/${folder}/${header})
      set(header ${folder}/${header})
    endif()
    list(APPEND includes "#include <${header}>")
  endforeach()

  # A namespace that the file shares with a header is seen through the one it opens here.
  set(bridges "")
  file(STRINGS ${dir}/${file} lines REGEX "^namespace [a-z_]+ {$")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^namespace ([a-z_]+) {$" "\\1" name "${line}")
    string(APPEND bridges "namespace ${name} {}\n"
      "namespace file_${i}::${name} {\nusing namespace ::${name};\n}\n")
  endforeach()
  string(APPEND bodies "${bridges}namespace file_${i} {\n#include <${file}>\n}\n")
endforeach()
list(REMOVE_DUPLICATES includes)
list(JOIN includes "\n" includes)
file(WRITE ${out} "${includes}\n\n${bodies}")
