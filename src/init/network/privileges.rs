//! What root may still do in this process: network, clock, nothing else (capabilities(7)).
//!
//! Owns nothing. Capabilities belong to threads: to be called before the first further thread starts.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// Links and routes; raw sockets for DHCP; DHCP's port 68; the clock.
const KEPT: [Capability; 4] =
    [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW, Capability::CAP_NET_BIND_SERVICE, Capability::CAP_SYS_TIME];

/// Gives up all capabilities that are not needed, for good.
///
/// # Errors
/// If the kernel refuses.
pub fn drop_most() -> Result<(), CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|capability| permitted.contains(capability)).collect();
    for capability in caps::read(None, CapSet::Bounding)? {
        if !kept.contains(&capability) && caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
