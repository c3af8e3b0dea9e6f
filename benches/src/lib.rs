//! Times the engines against their peers; the benches themselves are in \`benches/\` beside this folder.
