"""Resources that the server can serve besides the built-in ones, as tables (``kedoctor.sandbox.apiserver.resources``)."""

# The custom resources of KubeEdge v1.22.0 (facts.md) and the add-on resource of K3s.
KUBEEDGE = """
rules.kubeedge.io/v1
 ruleendpoints RuleEndpoint N - custom
 rules Rule N - custom status
apps.kubeedge.io/v1alpha1
 edgeapplications EdgeApplication N eapp custom status
 nodegroups NodeGroup C ng custom status
operations.kubeedge.io/v1alpha2
 configupdatejobs ConfigUpdateJob C cuj custom status
 imageprepulljobs ImagePrePullJob C ippj custom status
 nodeupgradejobs NodeUpgradeJob C nuj custom status
operations.kubeedge.io/v1alpha1
 imageprepulljobs ImagePrePullJob C ippj custom status
 nodeupgradejobs NodeUpgradeJob C nuj custom status
policy.kubeedge.io/v1alpha1
 serviceaccountaccesses ServiceAccountAccess N saaccess custom
reliablesyncs.kubeedge.io/v1alpha1
 clusterobjectsyncs ClusterObjectSync C - custom status
 objectsyncs ObjectSync N - custom status
devices.kubeedge.io/v1beta1
 devicemodels DeviceModel N - custom
 devices Device N - custom status
 devicestatuses DeviceStatus N - custom status
devices.kubeedge.io/v1alpha2
 devicemodels DeviceModel N - custom
 devices Device N - custom status
"""
K3S = """
helm.cattle.io/v1
 helmcharts HelmChart N - custom status
k3s.cattle.io/v1
 addons Addon N - custom
"""
