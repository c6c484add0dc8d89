# The native build, read by node-gyp (scripts/gyp.mjs here, `npm install` where no prebuild fits).
# Sources are found by glob, so a new port kind or impairment edits nothing in this file. Each folder of them is compiled
# at once (scripts/unite.mjs), the tests' file by file.
#
# Variables, off by default and set by scripts/gyp.mjs through GYP_DEFINES:
#   strict=1        warnings are errors, and stacks can be read (our own builds; another compiler's new warning must
#                   not stop a user)
#   tests=1         also builds `native_tests`, which needs doctest and no Node
#   sanitize=LIST   compiles everything with -fsanitize=LIST, and with asserts
#   small=FLAGS     how what is not in the path of frames is compiled, -Os unless given (scripts/prebuild.mjs)
#   last_object=F   an object file that is linked behind everything else (scripts/prebuild.mjs)
{
  'variables': {
    'strict%': 0,
    'tests%': 0,
    'sanitize%': '',
    'small%': '-Os',
    'last_object%': '',
    # As a system directory, so that our warning flags do not judge the headers of others.
    'node_addon_api': '<!(node -p "require(\'path\').dirname(require.resolve(\'node-addon-api\'))")',
  },
  'target_defaults': {
    'include_dirs': ['native'],
    # Exceptions, which the standard library may throw at set-up. Type information only for UBSan's vptr check: names of
    # types and pointers to them were a fifteenth of the addon (native/os/class_mark.hpp).
    'cflags!': ['-Wno-unused-parameter', '-O3'],
    'cflags_cc!': ['-fno-exceptions', '-std=gnu++17', '-std=gnu++20'],
    'cflags': ['-O2', '-fvisibility=hidden', '-Wall', '-Wextra', '-Wshadow', '-Wconversion'],
    'cflags_cc': ['-std=c++20'],
    'libraries': ['-pthread', '-ldl'],
    'conditions': [
      # Lines and functions, for those of us who look at a stack; variables would take up to a quarter of a compiler's time.
      ['strict==1', {'cflags': ['-Werror', '-g1']}, {'cflags': ['-g0']}],
      ['sanitize==""', {'defines': ['NDEBUG'], 'cflags_cc': ['-fno-rtti']}, {
        # -O1, for -O2 takes half as long again to compile what the sanitizers add.
        'cflags': ['-O1', '-fsanitize=<(sanitize)', '-fno-sanitize-recover=all'],
        'cflags_cc!': ['-fno-rtti'],
        'ldflags': ['-fsanitize=<(sanitize)'],
      }],
      # ThreadSanitizer does not see fences. Ours order words that are atomic themselves, so it misses no race by that.
      ['sanitize=="thread"', {'cflags': ['-Wno-tsan']}],
    ],
  },
  'targets': [
    {
      # What runs before and beside the frames: opens devices, asks the kernel, changes what workers do. It is made small.
      'target_name': 'control',
      'type': 'static_library',
      'conditions': [['sanitize==""', {'cflags': ['<@(small)']}]],
      'sources': ['<!@(node scripts/unite.mjs native/os native/runtime -native/runtime/worker.cpp)'],
    },
    {
      # Everything that moves frames; knows, as control does, nothing of Node.
      'target_name': 'core',
      'type': 'static_library',
      'dependencies': ['control'],
      # Whole: what registers itself, such as an impairment, is named by nobody.
      'link_settings': {
        'ldflags': ['-Wl,--whole-archive'],
        'libraries': ['-Wl,--no-whole-archive', '<@(last_object)'],
      },
      'sources': [
        '<!@(node scripts/unite.mjs $(find native/ -mindepth 1 -type d -not -path "native/binding*" -not -name os'
        ' -not -name runtime | sort) native/runtime/worker.cpp)',
      ],
    },
    {
      'target_name': 'etherloom',
      'dependencies': ['core'],
      'conditions': [['sanitize==""', {'cflags': ['<@(small)']}]],
      'sources': ['<!@(node scripts/unite.mjs $(find native/binding/ -type d | sort))'],
      # A wake-up can reach an environment that is ending (a worker thread's), where nothing can be thrown any more.
      'defines': ['NAPI_VERSION=8', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED',
                  'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'cflags_cc': ['-isystem', '<(node_addon_api)'],
      'ldflags': ['-Wl,--version-script=<(module_root_dir)/native/binding/exports.map'],
    },
  ],
  'conditions': [
    ['tests==1', {
      'targets': [
        {
          'target_name': 'native_tests',
          'type': 'executable',
          'dependencies': ['core'],
          'sources': ['<!@(find test/native/ -name "*.cpp" | sort)'],
        },
      ],
    }],
  ],
}
