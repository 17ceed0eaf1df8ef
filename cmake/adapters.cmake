# persist_adapter(NAME HEADER LIBRARY…): persist::NAME, the library and one header more with its
# parts, which needs these client libraries. They are named and not looked for: who links the target
# has them, and nobody else needs them.
function(persist_adapter name header)
  set(target persist_${name})
  add_library(${target} INTERFACE)
  add_library(persist::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  target_link_libraries(${target} INTERFACE persist ${ARGN})
  string(REGEX REPLACE "[.]hpp$" "" parts ${header})
  file(GLOB parts CONFIGURE_DEPENDS include/persist/${parts}/*.hpp)
  target_sources(${target} INTERFACE
    FILE_SET HEADERS BASE_DIRS include FILES include/persist/${header} ${parts})
  if(PERSIST_INSTALL)
    install(TARGETS ${target} EXPORT persist-targets FILE_SET HEADERS)
  endif()
endfunction()
