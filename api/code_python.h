/* code_python.h: texts of the printed programs that pytorch and opencv share. */
#ifndef API_CODE_PYTHON_H
#define API_CODE_PYTHON_H
#include "code.h"

extern const char api_python_load[], api_python_load_tensors[], api_python_numbers[];
#define PYTHON_HELPERS                                                                             \
    {"load", api_python_load}, {"load_tensors", api_python_load_tensors},                          \
    {                                                                                              \
        "numbers", api_python_numbers                                                              \
    }
#endif
