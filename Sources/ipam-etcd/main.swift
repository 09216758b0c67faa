import CNI
import Etcd
import EtcdClient
import IPAM
import PluginKit

runPlugin(EtcdIPAM(connecting: { (config) throws(CNIError) in EtcdClient(config) }, text: fileText), libraries: .always)
