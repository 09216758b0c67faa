import CNI
import Etcd
import EtcdClient
import LeaseDisk
import PluginKit

runPlugin(EtcdIPAM(connecting: { (config) throws(CNIError) in EtcdClient(config) }, text: fileText))
