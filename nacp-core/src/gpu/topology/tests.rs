//! Machines that are sold, as tables.

use super::*;
use crate::gpu::{Ancestor, Fabric, FabricState, NvLink, PeerAccess, PeerStatus, RemoteDevice, Unknown};

fn id(index: usize) -> GpuId {
    format!("GPU-00000000-0000-4000-8000-{index:012}").parse().unwrap()
}

fn ids(indexes: &[usize]) -> Vec<GpuId> {
    indexes.iter().map(|index| id(*index)).collect()
}

fn pci(index: usize) -> String {
    format!("00000000:{:02X}:00.0", 0x10 + index)
}

/// GPUs without NVLink on buses of their own, half of them near each of two sockets.
fn gpus(count: usize) -> Vec<Gpu> {
    let gpu = |index: usize| {
        let mut gpu = Gpu::new(id(index), u32::try_from(index).unwrap(), "made up");
        gpu.pci = Reading::Known(pci(index));
        gpu.nvlinks = Reading::Unknown(Unknown::NotSupported);
        gpu.fabric = Reading::Unknown(Unknown::NotSupported);
        gpu.affinity.numa_node = Reading::Unknown(Unknown::NotSupported);
        let cpus = if index * 2 < count { (0..24).chain(48..72) } else { (24..48).chain(72..96) };
        gpu.affinity.cpus = Reading::Known(cpus.collect());
        gpu.affinity.memory_nodes = Reading::Known(vec![u32::from(index * 2 >= count)]);
        gpu
    };
    (0..count).map(gpu).collect()
}

fn pairs(count: usize, ancestor: impl Fn(usize, usize) -> Ancestor) -> Vec<Pair> {
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
    pairs
        .map(|(a, b)| {
            let mut pair = Pair::new(id(a), id(b));
            pair.ancestor = Reading::Known(ancestor(a, b));
            pair
        })
        .collect()
}

fn sockets(count: usize) -> impl Fn(usize, usize) -> Ancestor {
    move |a, b| if (a * 2 < count) == (b * 2 < count) { Ancestor::Node } else { Ancestor::System }
}

fn link(link: usize, remote: String, device: RemoteDevice, speed: u32) -> NvLink {
    NvLink {
        link: u32::try_from(link).unwrap(),
        active: Reading::Known(true),
        version: Reading::Known(7),
        remote: Reading::Known(remote),
        remote_device: Reading::Known(device),
        speed: Reading::Known(speed),
    }
}

/// Eight GPUs with 18 links each to NVSwitches.
fn h100x8() -> Vec<Gpu> {
    let mut gpus = gpus(8);
    for gpu in &mut gpus {
        let switch = |at: usize| format!("00000000:{:02X}:00.0", 0xA0 + at / 5);
        let links = (0..18).map(|at| link(at, switch(at), RemoteDevice::Switch, 26_562));
        gpu.nvlinks = Reading::Known(links.collect());
        gpu.fabric = Reading::Known(Fabric::new(FabricState::Completed, 0, "", 0));
    }
    gpus
}

/// The hybrid cube mesh of a DGX-1: which GPUs have how many links between them.
const CUBE_MESH: [(usize, usize, usize); 16] = [
    (0, 1, 1),
    (0, 2, 1),
    (0, 3, 2),
    (0, 4, 2),
    (1, 2, 2),
    (1, 3, 1),
    (1, 5, 2),
    (2, 3, 2),
    (2, 6, 1),
    (3, 7, 1),
    (4, 5, 1),
    (4, 6, 1),
    (4, 7, 2),
    (5, 6, 2),
    (5, 7, 1),
    (6, 7, 2),
];

fn direct(count: usize, edges: &[(usize, usize, usize)]) -> Vec<Gpu> {
    let mut gpus = gpus(count);
    for (at, gpu) in gpus.iter_mut().enumerate() {
        let far = edges.iter().filter_map(|(a, b, count)| match at {
            _ if at == *a => Some((*b, *count)),
            _ if at == *b => Some((*a, *count)),
            _ => None,
        });
        let far = far.flat_map(|(far, count)| std::iter::repeat_n(far, count)).enumerate();
        let links = far.map(|(number, far)| link(number, pci(far), RemoteDevice::Gpu, 25_781));
        gpu.nvlinks = Reading::Known(links.collect());
    }
    gpus
}

#[test]
fn eight_gpus_over_switches_are_one_group_of_equals() {
    let topology = Topology::new(&h100x8(), &pairs(8, sockets(8)));
    for link in topology.links() {
        assert_eq!((link.to_string().as_str(), link.switched), ("NV18", true));
        assert_eq!(link.bandwidth, Reading::Known(18 * 26_562));
        assert_eq!((&link.version, &link.same_clique), (&Reading::Known(7), &Reading::Known(true)));
    }
    assert_eq!(topology.groups(), [ids(&[0, 1, 2, 3, 4, 5, 6, 7])]);
    assert_eq!(topology.best_group(4).unwrap(), ids(&[0, 1, 2, 3]), "all are equal over NVLink: one socket is nearer");
    let nearest: Vec<_> = topology.nearest(&id(5)).unwrap().into_iter().map(|(gpu, _)| gpu).collect();
    assert_eq!(nearest, ids(&[4, 6, 7, 0, 1, 2, 3]));
    assert_eq!(topology.link(&id(0), &id(7)).unwrap().same_numa, Reading::Known(false));
}

#[test]
fn the_matrix_looks_like_that_of_nvidia_smi() {
    let mut machine = direct(3, &[(0, 1, 12)]);
    machine[2].affinity.numa_node = Reading::Known(2);
    let topology = Topology::new(&machine, &pairs(3, sockets(3)));
    let expected = "      GPU0  GPU1  GPU2  CPU Affinity  NUMA Affinity  GPU NUMA ID
GPU0  X     NV12  SYS   0-23,48-71    0              N/A
GPU1  NV12  X     SYS   0-23,48-71    0              N/A
GPU2  SYS   SYS   X     24-47,72-95   1              2
";
    assert_eq!(topology.to_string(), expected);
    assert_eq!(topology.matrix()[1].cells, ["NV12", "X", "SYS"]);
}

#[test]
fn a_hybrid_cube_mesh_keeps_its_single_and_double_links_apart() {
    let topology = Topology::new(&direct(8, &CUBE_MESH), &pairs(8, sockets(8)));
    assert_eq!(topology.matrix()[0].cells, ["X", "NV1", "NV1", "NV2", "NV2", "SYS", "SYS", "SYS"]);
    assert_eq!(topology.groups(), [ids(&[0, 1, 2, 3]), ids(&[4, 5, 6, 7])]);
    let nearest: Vec<_> = topology.nearest(&id(0)).unwrap();
    let nearest: Vec<_> = nearest.iter().map(|(gpu, link)| (gpu.clone(), link.to_string())).collect();
    let expected = [(3, "NV2"), (4, "NV2"), (1, "NV1"), (2, "NV1"), (5, "SYS"), (6, "SYS"), (7, "SYS")];
    assert_eq!(nearest, expected.map(|(gpu, link)| (id(gpu), link.to_owned())), "3 is on the same socket, 4 is not");
    assert_eq!(topology.best_group(2).unwrap(), ids(&[0, 3]));
    assert_eq!(topology.best_group(3).unwrap(), ids(&[0, 2, 3]), "2 + 2 + 1 links, all on one socket");
    assert_eq!(topology.link(&id(0), &id(5)).unwrap().nvlinks, Reading::Known(0));
}

#[test]
fn a_failed_link_counts_from_both_ends() {
    let mut gpus = direct(8, &CUBE_MESH);
    let Reading::Known(links) = &mut gpus[3].nvlinks else { panic!("links") };
    let to_the_first = links.iter_mut().find(|link| link.remote == Reading::Known(pci(0))).unwrap();
    to_the_first.active = Reading::Known(false);
    let topology = Topology::new(&gpus, &pairs(8, sockets(8)));
    assert_eq!(topology.link(&id(3), &id(0)).unwrap().nvlinks, Reading::Known(1));

    let mut gpus = h100x8();
    let Reading::Known(links) = &mut gpus[2].nvlinks else { panic!("links") };
    links[4].active = Reading::Known(false);
    let topology = Topology::new(&gpus, &pairs(8, sockets(8)));
    assert_eq!(topology.matrix()[2].cells[1], "NV17");
    assert_eq!(topology.best_group(4).unwrap(), ids(&[4, 5, 6, 7]), "those with all their links");
}

#[test]
fn without_nvlink_the_bus_decides() {
    // Two sockets; on each, pairs of GPUs on one switch.
    let ancestor = |a: usize, b: usize| if a / 2 == b / 2 { Ancestor::Switch } else { sockets(8)(a, b) };
    let topology = Topology::new(&gpus(8), &pairs(8, ancestor));
    assert_eq!(topology.matrix()[2].cells, ["NODE", "NODE", "X", "PIX", "SYS", "SYS", "SYS", "SYS"]);
    assert_eq!(topology.groups().len(), 8, "no NVLink: each is alone");
    assert_eq!(topology.only(&ids(&[1, 4, 6, 7])).unwrap().best_group(2).unwrap(), ids(&[6, 7]));
    assert_eq!(topology.best_group(4).unwrap(), ids(&[0, 1, 2, 3]));
    let tree = topology.tree().to_string();
    let expected = "machine
  NUMA node
    switch
      GPU0 00000000:10:00.0
      GPU1 00000000:11:00.0
    switch
      GPU2 00000000:12:00.0
      GPU3 00000000:13:00.0
  NUMA node
    switch
      GPU4 00000000:14:00.0
";
    assert!(tree.starts_with(expected), "{tree}");
}

#[test]
fn the_tree_hangs_a_gpu_of_which_nothing_is_known_on_the_machine() {
    let mut told = pairs(3, |_, _| Ancestor::HostBridge);
    told.retain(|pair| pair.b != id(2));
    let tree = Topology::new(&gpus(3), &told).tree();
    assert_eq!(tree.gpus.iter().map(|leaf| leaf.index).collect::<Vec<_>>(), [2]);
    assert_eq!(tree.branches.len(), 1);
    assert_eq!((tree.branches[0].level, tree.branches[0].gpus.len()), (Ancestor::HostBridge, 2));
}

#[test]
fn a_tray_of_a_rack_counts_links_whose_other_end_the_driver_does_not_name() {
    let tray = |cliques: [u32; 4]| {
        let mut gpus = gpus(4);
        for (gpu, clique) in gpus.iter_mut().zip(cliques) {
            let far = |at| link(at, "00000000:00:00.0".to_owned(), RemoteDevice::Unknown, 53_125);
            gpu.nvlinks = Reading::Known((0..18).map(far).collect());
            let cluster = "5a3c0f1e2d4b6978a1b2c3d4e5f60718";
            gpu.fabric = Reading::Known(Fabric::new(FabricState::Completed, 0, cluster, clique));
        }
        Topology::new(&gpus, &pairs(4, sockets(4)))
    };
    let whole = tray([1, 1, 1, 1]);
    assert_eq!(whole.matrix()[3].cells, ["NV18", "NV18", "NV18", "X"]);
    assert_eq!(whole.links()[0].bandwidth, Reading::Known(18 * 53_125));

    let split = tray([1, 1, 2, 2]);
    assert_eq!(split.link(&id(0), &id(1)).unwrap().nvlinks, Reading::Known(18));
    let apart = split.link(&id(1), &id(2)).unwrap();
    assert_eq!(apart.same_clique, Reading::Known(false));
    assert_eq!(apart.nvlinks, Reading::Unknown(Unknown::NotAvailable), "where the links lead, nobody says");
    assert_eq!(split.groups(), [ids(&[0, 1]), ids(&[2, 3])]);
}

#[test]
fn a_switch_does_not_join_two_cliques() {
    let mut gpus = h100x8();
    gpus[7].fabric = Reading::Known(Fabric::new(FabricState::Completed, 0, "", 1));
    let topology = Topology::new(&gpus, &pairs(8, sockets(8)));
    assert_eq!(topology.matrix()[7].cells[6], "NODE");
    assert_eq!(topology.groups(), [ids(&[0, 1, 2, 3, 4, 5, 6]), ids(&[7])]);
}

#[test]
fn one_gpu_is_its_own_group_and_none_is_an_empty_table() {
    let one = Topology::new(&gpus(1), &[]);
    assert_eq!(one.matrix()[0].cells, ["X"]);
    assert_eq!((one.groups(), one.best_group(1).unwrap()), (vec![ids(&[0])], ids(&[0])));
    assert_eq!(one.nearest(&id(0)).unwrap(), []);

    let none = Topology::new(&[], &[]);
    assert_eq!((none.to_string(), none.groups(), none.best_group(0).unwrap()), (String::new(), vec![], vec![]));
    let error = none.best_group(1).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::ResourceExhausted, "not so many GPUs: wanted=1 gpus=0".into())
    );
    assert_eq!(none.nearest(&id(0)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(none.tree().to_string(), "machine\n");
}

#[test]
fn what_nobody_told_stays_unknown() {
    let mut gpus = direct(2, &[(0, 1, 4)]);
    let topology = Topology::new(&gpus, &[]);
    let between = &topology.links()[0];
    assert_eq!(between.ancestor, Reading::Unknown(Unknown::NotRead));
    assert_eq!(between.same_numa, Reading::Known(false), "the memory tells");
    assert_eq!(between.same_clique, Reading::Unknown(Unknown::NotSupported));

    gpus[0].nvlinks = Reading::Unknown(Unknown::NoPermission);
    assert_eq!(Topology::new(&gpus, &[]).links()[0].nvlinks, Reading::Known(4), "one end tells of a direct link");
    let Reading::Known(links) = &mut gpus[1].nvlinks else { panic!("links") };
    links[2].speed = Reading::Unknown(Unknown::Code(999));
    links[3].version = Reading::Unknown(Unknown::TooOld);
    let topology = Topology::new(&gpus, &[]);
    let between = &topology.links()[0];
    assert_eq!((&between.nvlinks, &between.bandwidth), (&Reading::Known(4), &Reading::Unknown(Unknown::Code(999))));
    assert_eq!(between.version, Reading::Unknown(Unknown::TooOld));

    let Reading::Known(links) = &mut gpus[1].nvlinks else { panic!("links") };
    links[0].active = Reading::Unknown(Unknown::Code(999));
    assert_eq!(Topology::new(&gpus, &[]).links()[0].nvlinks, Reading::Unknown(Unknown::NoPermission));
    assert_eq!(Topology::new(&gpus, &[]).matrix()[0].cells[1], "?");
}

#[test]
fn the_driver_s_word_on_peer_access_stands_in_for_links_that_it_does_not_list() {
    let gpus = gpus(2);
    let mut pair = Pair::new(id(1), id(0));
    pair.peer = PeerAccess { nvlink: Reading::Known(PeerStatus::Ok), ..PeerAccess::default() };
    let topology = Topology::new(&gpus, &[pair]);
    assert_eq!(topology.matrix()[0].cells, ["X", "NV?"]);
    assert_eq!(topology.groups(), [ids(&[0, 1])]);
}

#[test]
fn the_best_pair_does_not_lead_away_from_the_best_three() {
    // A triangle of six links a side; each of its corners has a better neighbour outside.
    let edges = [(0, 1, 6), (0, 2, 6), (1, 2, 6), (0, 3, 7), (1, 4, 7), (2, 5, 7)];
    let topology = Topology::new(&direct(6, &edges), &pairs(6, sockets(6)));
    assert_eq!(topology.best_group(2).unwrap(), ids(&[0, 3]));
    assert_eq!(topology.best_group(3).unwrap(), ids(&[0, 1, 2]));
}

#[test]
fn more_gpus_than_can_be_tried_one_by_one_are_still_grouped() {
    // Forty GPUs, joined by NVLink in rows of eight that are dealt out like cards.
    let row = |gpu: usize| gpu % 5;
    let edges = (0..40).flat_map(|a| (a + 1..40).map(move |b| (a, b)));
    let edges: Vec<_> = edges.filter(|(a, b)| row(*a) == row(*b)).map(|(a, b)| (a, b, 1)).collect();
    let topology = Topology::new(&direct(40, &edges), &pairs(40, sockets(40)));
    let group = |first: usize| ids(&(0..8).map(|at| first + 5 * at).collect::<Vec<_>>());
    assert_eq!(topology.groups(), [group(0), group(1), group(2), group(3), group(4)]);
    assert_eq!(topology.best_group(8).unwrap(), group(0));
    assert_eq!(topology.best_group(0).unwrap(), []);
}

#[test]
fn json_gives_the_same_topology_back_and_refuses_one_with_gaps() {
    let topology = Topology::new(&direct(4, &[(0, 1, 2), (2, 3, 2)]), &pairs(4, sockets(4)));
    let json = serde_json::to_value(&topology).unwrap();
    assert_eq!(serde_json::from_value::<Topology>(json.clone()).unwrap(), topology);
    let refused = |change: &dyn Fn(&mut Vec<serde_json::Value>), part: &str| {
        let mut json = json.clone();
        change(json[part].as_array_mut().unwrap());
        serde_json::from_value::<Topology>(json).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|links| drop(links.pop()), "links"),
        "a topology has one link for each two GPUs: links=5 wanted=6"
    );
    assert!(refused(&|links| links.swap(0, 5), "links").starts_with("a link is not where it belongs"));
    assert!(refused(&|gpus| gpus[1] = gpus[0].clone(), "gpus").starts_with("a GPU is in the topology twice"));
}

#[cfg(feature = "topology-graph")]
#[test]
fn the_graph_goes_through_petgraph_s_algorithms() {
    let topology = Topology::new(&direct(8, &CUBE_MESH), &pairs(8, sockets(8)));
    let mut graph = topology.graph();
    assert_eq!((graph.node_count(), graph.edge_count()), (8, 28));
    graph.retain_edges(|graph, edge| graph[edge].is_nvlink());
    assert_eq!(graph.edge_count(), CUBE_MESH.len());
    assert_eq!(petgraph::algo::connected_components(&graph), 1);
}
