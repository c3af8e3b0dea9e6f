//! The forwarder by itself, for programs that use the crate; `offing emulate forwarder` does the same.

fn main() -> std::io::Result<()> {
    offing_emu::links::forwarder::serve()
}
