#pragma once

/// The one place where the version stands; CMake and the single header read it from here.
#define PERSIST_VERSION_MAJOR 0
#define PERSIST_VERSION_MINOR 1
#define PERSIST_VERSION_PATCH 0
