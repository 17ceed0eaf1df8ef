#pragma once

#include <persist/version.hpp>

// What changes the layout or the meaning of a type goes into the name of the inline namespace, so
// that two units built with different choices do not link into one program that sees a type two
// ways.

#if !defined(PERSIST_NO_HANA) && defined(__has_include)
#if __has_include(<boost/hana/accessors.hpp>)
#define PERSIST_HAS_HANA 1
#endif
#endif
#ifndef PERSIST_HAS_HANA
#define PERSIST_HAS_HANA 0
#endif

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define PERSIST_HAS_EXCEPTIONS 1
#else
#define PERSIST_HAS_EXCEPTIONS 0
#endif

#ifdef NDEBUG
#define PERSIST_HAS_CHECKS 0
#else
#define PERSIST_HAS_CHECKS 1
#endif

#define PERSIST_JOIN_(a, b, c, d, e) a##b##_h##c##_x##d##_c##e
#define PERSIST_JOIN(a, b, c, d, e) PERSIST_JOIN_(a, b, c, d, e)
#define PERSIST_ABI                                                                \
  PERSIST_JOIN(v, PERSIST_VERSION_MAJOR, PERSIST_HAS_HANA, PERSIST_HAS_EXCEPTIONS, \
               PERSIST_HAS_CHECKS)

// A template that is made here, or with `extern` as the prefix elsewhere: see store/templates.hpp.
#define PERSIST_TEMPLATE(prefix, ...) prefix template class __VA_ARGS__

// PERSIST_NOINLINE is for what happens seldom in functions that are called often: inlined there, it
// would make each call save the registers that it needs.
#if defined(_MSC_VER)
#define PERSIST_NO_UNIQUE_ADDRESS [[msvc::no_unique_address]]
#define PERSIST_FUNCTION_NAME __FUNCSIG__
#define PERSIST_NOINLINE __declspec(noinline)
#else
#define PERSIST_NO_UNIQUE_ADDRESS [[no_unique_address]]
#define PERSIST_FUNCTION_NAME __PRETTY_FUNCTION__
#define PERSIST_NOINLINE [[gnu::noinline]]
#endif
