# persist_own: what tests, examples, tools and benchmarks of this repository link. It adds to the
# library what a user must not inherit: warnings as errors, and the choice of the single header.

add_library(persist_own INTERFACE)
target_compile_options(persist_own INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
# The headers of a tool are used by its tests and by examples too, as <persistctl/import.hpp>.
target_include_directories(persist_own INTERFACE ${PROJECT_SOURCE_DIR}/tools)

if(PERSIST_SINGLE_HEADER)
  # A tree of one-line headers stands where include/ would be, so that what is tested can only be
  # the single header, under the names that the tests include.
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(forward ${CMAKE_BINARY_DIR}/forward)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} tools/amalgamate.py --forward ${forward}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} COMMAND_ERROR_IS_FATAL ANY)
  target_compile_features(persist_own INTERFACE cxx_std_20)
  target_link_libraries(persist_own INTERFACE Threads::Threads)
  target_include_directories(persist_own INTERFACE ${forward} ${PROJECT_SOURCE_DIR}/single_include)
  if(PERSIST_NO_HANA)
    target_compile_definitions(persist_own INTERFACE PERSIST_NO_HANA)
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${persist_headers})
else()
  target_link_libraries(persist_own INTERFACE persist::persist)
endif()

# A cache makes the second build of a day cheap. Precompiled headers need the sloppiness; with the
# base directory, two clones share what they have in common.
find_program(CCACHE ccache)
if(PROJECT_IS_TOP_LEVEL AND CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  else()
    add_compile_options(-fpch-preprocess)
  endif()
endif()

# Linking thirty executables takes the usual linker most of a minute.
find_program(LLD ld.lld)
if(PROJECT_IS_TOP_LEVEL AND LLD)
  add_link_options(-fuse-ld=lld)
endif()

# Makes an executable in bin/ of each .cpp file beside the calling CMakeLists.txt, named as the file,
# and of each folder with .cpp files, named as the folder. A folder with its own CMakeLists.txt says
# itself what it makes.
function(persist_add_executables)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  file(GLOB entries CONFIGURE_DEPENDS LIST_DIRECTORIES true *)
  foreach(entry IN LISTS entries)
    get_filename_component(name ${entry} NAME_WE)
    set(sources "")
    if(EXISTS ${entry}/CMakeLists.txt)
      add_subdirectory(${entry})
    elseif(IS_DIRECTORY ${entry})
      file(GLOB sources CONFIGURE_DEPENDS ${entry}/*.cpp)
    elseif(entry MATCHES "\\.cpp$")
      set(sources ${entry})
    endif()
    if(sources)
      add_executable(${name} ${sources})
      target_link_libraries(${name} PRIVATE persist_own)
    endif()
  endforeach()
endfunction()
