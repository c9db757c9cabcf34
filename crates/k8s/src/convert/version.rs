//! The versions that SMI's kinds had.

/// A version, older ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `v1alpha1`.
    V1Alpha1,
    /// `v1alpha2`.
    V1Alpha2,
    /// `v1alpha3`.
    V1Alpha3,
    /// `v1alpha4`, which is stored.
    V1Alpha4,
}

impl Version {
    /// All of them, older ones first.
    pub const ALL: [Self; 4] = [Self::V1Alpha1, Self::V1Alpha2, Self::V1Alpha3, Self::V1Alpha4];

    /// The version of this name.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// As it stands behind the group.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1Alpha1 => "v1alpha1",
            Self::V1Alpha2 => "v1alpha2",
            Self::V1Alpha3 => "v1alpha3",
            Self::V1Alpha4 => "v1alpha4",
        }
    }
}
